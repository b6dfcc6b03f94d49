import type { Line } from './report.ts';

export interface Machine {
  readonly cores: number;
  readonly node: string;
  /** Load average at the start and at the end: what else the machine did. */
  readonly load: readonly [number, number];
  readonly rounds: number;
}

/** docs/benchmarks.md. */
export function page(lines: readonly Line[], { cores, node, load, rounds }: Machine): string {
  const rows = lines.map(
    ({ row, figure, baseline, ratio, goal, verdict }) =>
      `| ${row} | ${figure} | ${baseline} | ${ratio} | ${goal} | ${verdict === 'missed' ? '**missed**' : verdict} |`,
  );
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench`. CPU is that of the gateway process with all its threads, for each request, as the kernel counts',
    'it. Every cell has fresh processes: an upstream whose responses are encoded beforehand, a gateway with all its features on',
    '(validation, deadline, metadata, one log line for each request), and a load that costs next to nothing. The gateway has one',
    `core, all other processes the other. Figures are medians of ${rounds} rounds, interleaved with the baseline in the same round. The ratio`,
    'is the median of the rounds, with the least and the greatest. Ratios are the same on other machines; absolute times are not,',
    'and so absolute goals may be missed or met by the machine alone.',
    '',
    `This run: ${cores} shared cores, Node ${node}, load average ${load[0].toFixed(1)} at the start, ${load[1].toFixed(1)} at the end.`,
    '',
    '| row | measured | baseline | ratio | goal | |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    notes,
    '',
  ].join('\n');
}

const notes = `## Reading it

- Before a row is measured, every response of its warm-up is hashed and its status compared. The count of upstream calls is
  asserted, so a cache can't pass for a fast path.
- **create** is one Generate, and grpc-js is most of it: the baseline is the sum of a bare Fastify POST and a bare grpc-js call.
  The gateway adds validation, sealing the id, the JSON and the log line.
- **create with the embedded service** is the whole of it, with the record on the disk: one write for creates that wait at the
  same moment, one each where they come one after the other.
- **image, first** is one Get that carries the image. Beside grpc-js and its copy out of the HTTP/2 frames, the largest part is
  the SHA-256 for ETag and digests.
- **whole life**: both sides have served half as many lives before they are measured. Operations take 3 s ± 20 %.
- **waiters** are connected beforehand. How late one gets its response counts from the end of the operation, or from its request
  if that was later; it is at most one gap of the poll schedule. No schedule sees the end of operations of 1 … 10 s within 0.5 s
  at four reads each ([ADR 002](adr/002-poll-schedule.md)).
- **stall** is the longest delay of a 1 ms timer in the gateway while the response is made.
- \`BENCH_NODE_ARGUMENTS="--cpu-prof --cpu-prof-dir=profile" npm run bench -- --rows create\` writes profiles of the gateway;
  \`BENCH_NODE=/path/to/node\` measures another Node.`;
