import { origin } from './expectations.js';

/** How the generated client reaches the gateway. */
export async function gatewayFetch<Result>(url: string, options: RequestInit): Promise<Result> {
  const response = await fetch(new URL(url, origin), options);
  const isImage = response.headers.get('content-type')?.startsWith('image/') === true;
  const data: unknown = isImage ? await response.blob() : await response.json();
  return { data, status: response.status, headers: response.headers } as Result;
}
