import { setLogger } from '@grpc/grpc-js';
import { constants } from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import { silenceGrpcLogger } from '../../../src/upstream/channel/silence-grpc-logger.ts';
import * as raw from '../../support/raw-responses.ts';
import { failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();

describe('the logger of grpc-js', () => {
  it('writes nothing to standard error once it is silenced', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const lines: [object, string][] = [];
    silenceGrpcLogger({
      debug: (fields, message) => lines.push([fields, message]),
      warn: () => undefined,
    });
    // grpc-js logs this one, with the address.
    const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    fixture.upstream.on('Get', raw.goaway(calm, Buffer.from('too_many_pings')));
    await failureOf(fixture.open().getOperation('x'));
    expect(lines).toEqual([[{}, 'grpc-js internal error suppressed']]);
    expect(written).not.toHaveBeenCalled();
    setLogger(console);
    written.mockRestore();
  });
});
