import { GatewayError } from '../errors/gateway-error.ts';

/** The one error that stores throw. The cause is for the log. */
export function storeUnavailable(cause: unknown): GatewayError {
  const detail = 'the gateway cannot reach its store now: try again in a moment';
  return new GatewayError('store_unavailable', detail, { cause });
}

/**
 * The result of `work`, if it comes in time. Work that takes longer goes on in
 * the background, and whether it had an effect is unknown.
 *
 * @throws GatewayError `store_unavailable` for everything that goes wrong.
 */
export async function withinTime<Result>(
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
