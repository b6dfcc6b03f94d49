import { setLogger } from '@grpc/grpc-js';
import { constants } from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import { silenceGrpcLogger } from '../../../src/upstream/channel/silence-grpc-logger.ts';
import * as raw from '../../support/raw-responses.ts';
import { failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();

describe('the logger of grpc-js', () => {
  it('keeps what it has to say off standard error once it is silenced', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const lines: object[] = [];
    silenceGrpcLogger({ debug: (fields) => lines.push(fields), warn: () => undefined });
    // grpc-js complains of this one, with the address.
    const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    fixture.upstream.on('Get', raw.goaway(calm, Buffer.from('too_many_pings')));
    await failureOf(fixture.open().getOperation('x'));
    expect(lines).toEqual([{}]);
    expect(written).not.toHaveBeenCalled();
    setLogger(console);
    written.mockRestore();
  });
});
