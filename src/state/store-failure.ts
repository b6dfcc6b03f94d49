import { GatewayError } from '../errors/gateway-error.ts';

/** The one error of a store. The cause is for the log. */
export function storeUnavailable(cause: unknown): GatewayError {
  const detail = 'the gateway can not reach its own memory for now: try again in a moment';
  return new GatewayError('store_unavailable', detail, { cause });
}

/**
 * The result, unless it takes longer: then the work goes on unseen, and whether
 * it had an effect is unknown.
 *
 * @throws GatewayError `store_unavailable` for whatever goes wrong.
 */
export async function inTime<Result>(
  timeoutMs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw error instanceof GatewayError ? error : storeUnavailable(error);
  } finally {
    clearTimeout(timer);
  }
}
