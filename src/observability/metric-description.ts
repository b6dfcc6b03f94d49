import type { MetricObject } from 'prom-client';

/** One metric as `docs/operations.md` lists it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export function describeMetric(
  metric: MetricObject & { readonly labelNames?: readonly string[] },
): MetricDescription {
  const { name, type, help, labelNames = [] } = metric;
  return { name, type: String(type), labels: [...labelNames], help };
}
