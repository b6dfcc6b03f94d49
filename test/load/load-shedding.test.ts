import { describe, expect, it } from 'vitest';
import { LoadShedding, type LoadSample, type SheddableWork } from '../../src/load/load-shedding.ts';

const works: readonly SheddableWork[] = ['create', 'wait', 'base64', 'bytes'];
const idle: LoadSample = { loopDelayMs: 0, imageShare: 0, heapShare: 0 };

function under(sample: Partial<LoadSample>, samples = 50): LoadShedding {
  const shedding = new LoadShedding({ loopDelayMsMax: 50 });
  for (let count = 0; count < samples; count += 1) shedding.sample({ ...idle, ...sample });
  return shedding;
}

const shed = (shedding: LoadShedding) => works.filter((work) => shedding.sheds(work));

describe('LoadShedding', () => {
  it('sheds nothing while there is room', () => {
    expect(shed(under({ loopDelayMs: 35, imageShare: 0.7, heapShare: 0.7 }))).toEqual([]);
  });

  it('sheds new work first, and the bytes that are paid for last', () => {
    const byShare = [0.82, 0.88, 0.94, 0.99].map((heapShare) => shed(under({ heapShare })));
    expect(byShare).toEqual([
      ['create'],
      ['create', 'wait'],
      ['create', 'wait', 'base64'],
      ['create', 'wait', 'base64', 'bytes'],
    ]);
  });

  it.each<Partial<LoadSample>>([{ loopDelayMs: 48 }, { heapShare: 0.96 }])(
    'reports overload at 95 % of any measure: %o',
    (sample) => {
      expect(under(sample).isSevere).toBe(true);
    },
  );

  it('lets images wait in the read queue when the image memory is full', () => {
    const shedding = under({ imageShare: 1 });
    expect(shed(shedding)).toEqual(['create', 'wait', 'base64']);
    expect(shedding.isSevere).toBe(false);
  });

  it('does not decide by a single sample', () => {
    const shedding = under({ loopDelayMs: 5 });
    shedding.sample({ ...idle, loopDelayMs: 60 });
    expect(shed(shedding)).toEqual([]);
  });

  it('forgets a long stall after two seconds', () => {
    const shedding = under({ loopDelayMs: 60_000 });
    expect(shed(shedding)).toEqual([...works]);
    for (let count = 0; count < 20; count += 1) shedding.sample(idle);
    expect(shed(shedding)).toEqual([]);
  });

  it('reports that a refused create was not started', () => {
    expect(() => under({ heapShare: 1 }).admit('create')).toThrow(
      expect.objectContaining({ reason: 'overloaded', outcome: 'not_started' }),
    );
  });
});
