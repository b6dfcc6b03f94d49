/**
 * What a response to a create said about the money. `unstated`: an error
 * without an outcome; `none`: no response arrived.
 */
export type SpendReport = 'accepted' | 'not_started' | 'unknown' | 'unstated' | 'none';

/** Everything that callers were told about one image, and what the upstream billed for it. */
export interface AuditedCreate {
  /** The reports of all requests for this image, in order; at least one. */
  readonly reports: readonly SpendReport[];
  /** Ids of the operation that the responses named. */
  readonly operationIds?: readonly string[];
  /** Generates that the upstream billed. */
  readonly billedTimes: number;
}

/**
 * The disagreements between what callers were told about one image and the
 * upstream's bill, in words (P1 to P3). None: every report was true, and the
 * image was paid for at most once.
 */
export function spendFindings({
  reports,
  operationIds = [],
  billedTimes,
}: AuditedCreate): readonly string[] {
  const findings: string[] = [];
  const ids = new Set(operationIds);
  if (billedTimes > 1) findings.push(`billed ${billedTimes} times`);
  if (ids.size > 1) findings.push(`has ${ids.size} operations`);
  if (billedTimes === 0 && reports.includes('accepted')) {
    findings.push('reported accepted, and never billed');
  }
  if (billedTimes > 0 && reports.every((report) => report === 'not_started')) {
    findings.push('reported not_started, and billed');
  }
  return findings;
}

/** What a JSON response to a create reported, on any surface. */
export function spendReportFrom(httpStatus: number, body: unknown): SpendReport {
  if (httpStatus < 300) return 'accepted';
  const { outcome, error, code, details } = fieldsOf(body);
  const reported = outcome ?? fieldsOf(error)['outcome'] ?? vendorOutcome(details);
  if (reported === 'accepted' || reported === 'not_started' || reported === 'unknown') {
    return reported;
  }
  // Errors in OpenAI's form have no outcome; this one always means the same.
  return (code ?? fieldsOf(error)['code']) === 'draining' ? 'not_started' : 'unstated';
}

/** The vendor's errors hold the outcome in a google.rpc.ErrorInfo. */
function vendorOutcome(details: unknown): unknown {
  if (!Array.isArray(details)) return undefined;
  const outcomes = details.map((detail) => fieldsOf(fieldsOf(detail)['metadata'])['outcome']);
  return outcomes.find((outcome) => outcome !== undefined);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
