import type { Sample } from './cell.ts';
import type { RequestRow } from './request-rows.ts';

/** One row of the page. */
export interface Line {
  readonly row: string;
  readonly figure: string;
  readonly baseline: string;
  readonly ratio: string;
  readonly goal: string;
  readonly verdict: 'met' | 'missed' | 'no goal';
}

const baselineNames = {
  json: 'bare Fastify, JSON',
  picture: 'bare Fastify, the same bytes',
  'post and unary call': 'bare Fastify POST + bare grpc-js call',
} as const;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What the rounds of a row say together: medians, and the ratio within each round. */
export function requestLine(
  row: RequestRow,
  rounds: readonly { readonly ours: Sample; readonly baseUs: number }[],
): Line {
  const of = (pick: (sample: Sample) => number) => median(rounds.map(({ ours }) => pick(ours)));
  const ratios = rounds.map(({ ours, baseUs }) => ours.cpuUs / baseUs);
  const ratio = median(ratios);
  const cpuUs = of((sample) => sample.cpuUs);
  const { cpuUsMax, ratioMax } = row.goal;
  const isMet =
    (cpuUsMax === undefined || cpuUs <= cpuUsMax) && (ratioMax === undefined || ratio <= ratioMax);
  const goals = [
    ...(cpuUsMax === undefined ? [] : [`≤ ${cpuUsMax} µs`]),
    ...(ratioMax === undefined ? [] : [`ratio ≤ ${ratioMax}`]),
  ];
  return {
    row: row.name,
    figure: `${cpuUs.toFixed(0)} µs; ${of((sample) => sample.perSecond).toFixed(0)} a second, p50 ${of((sample) => sample.p50Ms).toFixed(1)} ms, p99 ${of((sample) => sample.p99Ms).toFixed(1)} ms; ${of((sample) => sample.upstreamCalls).toFixed(2)} upstream calls; peak ${of((sample) => sample.peakMib).toFixed(0)} MiB`,
    baseline: `${baselineNames[row.baseline]}: ${median(rounds.map(({ baseUs }) => baseUs)).toFixed(0)} µs`,
    ratio: `${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)})`,
    goal: goals.length === 0 ? '–' : goals.join(', '),
    verdict: goals.length === 0 ? 'no goal' : isMet ? 'met' : 'missed',
  };
}

export interface Machine {
  readonly cores: number;
  readonly node: string;
  readonly load: number;
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
    'Written by `npm run bench`. CPU is that of the gateway process with all its threads, per request, as the kernel accounts',
    'for it. Every cell has fresh processes: an upstream whose answers are encoded before they are asked for, a gateway',
    'with all its features on (validation, deadline, metadata, one log line a request), and a load that costs next to',
    `nothing; the gateway has one core, everybody else the other. Medians of ${rounds} rounds, interleaved with the baseline in the same`,
    'round; the ratio is the median of the rounds, with the least and the greatest. Ratios hold from machine to machine;',
    'absolute times do not, and neither do the goals that are absolute.',
    '',
    `This run: ${cores} shared cores, Node ${node}, load average ${load.toFixed(1)} at the end.`,
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

- **create** is one Generate, and grpc-js is most of it: the baseline is the sum of a bare Fastify POST and a bare
  grpc-js call. What the gateway adds is validation, sealing the id, the JSON and the log line.
- **image, first** is one Get that carries the picture. Beside grpc-js and its copy out of the HTTP/2 frames, SHA-256
  for ETag and Content-Digest is the largest part.
- **waiters** are told late by at most one gap of the poll schedule. Operations of 1 … 10 s can't be told within
  0.5 s at four reads each by any schedule ([ADR 002](adr/002-poll-schedule.md)).
- \`BENCH_NODE_ARGUMENTS="--cpu-prof --cpu-prof-dir=profile" npm run bench -- --rows create\` writes profiles of the gateway.`;
