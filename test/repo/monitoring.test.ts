import { afterAll, describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { openMetrics } from '../../src/observability/metrics.ts';
import { openServiceMetrics } from '../../src/observability/service-metrics.ts';
import { labelBounds } from '../support/label-bounds.ts';
import { promqlUse } from './promql.ts';
import { textOf } from './source-file.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const metrics = openMetrics({ version: '0', elapsedMs: () => 0 });
afterAll(() => metrics.stop());
const ofService = openServiceMetrics({
  ...{ backend: 'local', isPaid: true, startedAtS: 0 },
}).describe();

/** What Prometheus itself adds to every series of a scrape. */
const targetLabels = ['job', 'instance'];

/** Patterns that the expressions name. */
const routes: ReadonlySet<string> = new Set(['/livez', '/readyz']);

/** Labels by the name of a series, as a scrape has it. */
const labelsOfSeries = new Map<string, ReadonlySet<string>>([['up', new Set(targetLabels)]]);
for (const { name, type, labels } of [...metrics.describe(), ...ofService]) {
  const own = [...labels, ...targetLabels];
  if (type === 'histogram') {
    labelsOfSeries.set(`${name}_bucket`, new Set([...own, 'le']));
    for (const part of ['sum', 'count']) labelsOfSeries.set(`${name}_${part}`, new Set(own));
  } else {
    labelsOfSeries.set(name, new Set(own));
  }
}

const { groups } = parse(textOf('deploy/prometheus/alerts.yml')) as {
  groups: readonly { readonly rules: readonly Alert[] }[];
};
const alerts = groups.flatMap(({ rules }) => rules);

const dashboard = JSON.parse(textOf('deploy/grafana/dashboard.json')) as {
  readonly schemaVersion: number;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string }[];
  };
  readonly panels: readonly Panel[];
};
const targets = dashboard.panels.flatMap(({ title, targets: own = [] }) =>
  own.map((target) => ({ title, ...target })),
);

/** Grafana puts its own in before Prometheus sees them. */
function withoutVariables(expr: string): string {
  return expr.replaceAll(/\$__(?:rate_interval|range)/g, '5m');
}

/** Whether a label can have a value that a matcher names. */
function isPossible({ label, value }: { readonly label: string; readonly value: string }): boolean {
  if (label === 'route') return routes.has(value);
  const pattern = new RegExp(`^(?:${value})$`);
  return (
    targetLabels.includes(label) ||
    [...(labelBounds[label] ?? [])].some((known) => pattern.test(known))
  );
}

/** Metrics, labels and values that no gateway has. */
function strangersOf(expr: string): readonly string[] {
  const { metrics: names, labels, values } = promqlUse(withoutVariables(expr));
  const impossible = values
    .filter((each) => !isPossible(each))
    .map(({ label, value }) => `${label} is never ${value}`);
  const unknown = names.filter((name) => !labelsOfSeries.has(name));
  const misplaced = labels.flatMap(({ label, metrics: beside }) =>
    beside
      .filter((name) => labelsOfSeries.get(name)?.has(label) !== true)
      .map((name) => `${name} has no label ${label}`),
  );
  return [...unknown, ...misplaced, ...impossible];
}

/** Labels that a result of the expression can have. */
function labelsOf(expr: string): readonly string[] {
  const { metrics: names } = promqlUse(withoutVariables(expr));
  return names.flatMap((name) => [...(labelsOfSeries.get(name) ?? [])]);
}

describe('alerts', () => {
  it.each(alerts)('$alert asks for metrics and labels that there are', ({ expr }) => {
    expect(strangersOf(expr)).toEqual([]);
  });

  it.each(alerts)('$alert describes itself, with labels that it has', (alert) => {
    const { labels, annotations, expr } = alert;
    expect(['critical', 'warning']).toContain(labels['severity']);
    const kept = /\b(?:sum|max|min)\b/.test(expr)
      ? Array.from(expr.matchAll(/by \(([^)]*)\)/g), ([, list = '']) => list.split(', ')).flat()
      : labelsOf(expr);
    const { summary = '', description = '', runbook_url: runbook = '' } = annotations;
    expect([summary, description]).not.toContain('');
    const named = Array.from(`${summary}${description}`.matchAll(/\$labels\.(\w+)/g), ([, l]) => l);
    expect(named.filter((label) => !kept.includes(label ?? ''))).toEqual([]);
    expect(runbook).toBe(`docs/operations.md#${alert.alert.toLowerCase()}`);
  });

  test('each has a section of docs/operations.md, and each section an alert', () => {
    const page = textOf('docs/operations.md');
    const sections = Array.from(
      page.matchAll(/^### (\S+)\n\n\*(\w+)\.\*/gm),
      ([, name, severity]) => [name, severity],
    );
    expect(sections).toEqual(alerts.map(({ alert, labels }) => [alert, labels['severity']]));
  });

  test('each has a case that makes it fire', () => {
    const cases = textOf('deploy/prometheus/alerts.test.yml');
    const untried = alerts.map(({ alert }) => alert).filter((name) => !cases.includes(name));
    expect(untried).toEqual([]);
  });
});

describe('the dashboard', () => {
  it.each(targets)('$title asks for metrics and labels that there are: $expr', (target) => {
    expect(strangersOf(target.expr)).toEqual([]);
    const named = Array.from(target.legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label);
    expect(named.filter((label) => !labelsOf(target.expr).includes(label ?? ''))).toEqual([]);
  });

  it('shows every metric of the gateway and of the service', () => {
    const shown = new Set(targets.flatMap(({ expr }) => promqlUse(withoutVariables(expr)).metrics));
    const names = metrics.describe().map(({ name }) => name);
    const own = [
      ...names.filter((name) => name.startsWith('gateway_')),
      ...ofService.map(({ name }) => name),
    ];
    const isShown = (name: string) =>
      ['', '_bucket', '_count', '_sum'].some((part) => shown.has(name + part));
    expect(own.filter((name) => !isShown(name))).toEqual([]);
  });

  it('is one that Grafana 10 takes: ids once, panels within the grid, the datasource a variable', () => {
    const { panels, templating, schemaVersion } = dashboard;
    expect(schemaVersion).toBeGreaterThanOrEqual(38);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
    const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
    expect(new Set(places).size).toBe(places.length);
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      ...['Traffic', 'Money', 'Upstream', 'Waiting', 'Memory', 'Store', 'Limits'],
      ...['Service', 'Money of the service', 'Disk and process of the service'],
    ]);
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
    const uids = panels.filter(({ type }) => type !== 'row').map((panel) => panel.datasource?.uid);
    expect(new Set(uids)).toEqual(new Set(['${datasource}']));
  });
});

describe('the reader of PromQL', () => {
  it('sees metrics, matchers and groupings, and refuses what is no PromQL', () => {
    const use = promqlUse('sum by (a) (rate(m_total{b="1"}[5m])) / on (c) n > 0.1');
    expect(use.metrics).toEqual(['m_total', 'n']);
    expect(use.labels.map(({ label }) => label).toSorted()).toEqual(['a', 'b', 'c']);
    expect(() => promqlUse('sum by (a (m)')).toThrow(/no PromQL/);
  });
});

test('the metrics of the process keep the names that other dashboards know', () => {
  const names = metrics.describe().map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['process_cpu_seconds_total', 'process_resident_memory_bytes']),
  );
  const own = names.filter((name) => !/^(?:process|nodejs)_/.test(name));
  expect(own.filter((name) => !/^gateway_[a-z]+(?:_[a-z]+)*$/.test(name))).toEqual([]);
});
