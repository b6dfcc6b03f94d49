/** The status of a response, read to its end: an unread one delays the gateway's close. */
export async function statusOf(response: Response | Promise<Response>): Promise<number> {
  const settled = await response;
  await settled.arrayBuffer();
  return settled.status;
}

/** The JSON of a response, and its status as `httpStatus`. */
export async function jsonOf(
  response: Response | Promise<Response>,
): Promise<Record<string, unknown>> {
  const settled = await response;
  return { httpStatus: settled.status, ...((await settled.json()) as Record<string, unknown>) };
}

/** The id of the operation in a response. */
export async function idOf(response: Response | Promise<Response>): Promise<string> {
  return String((await jsonOf(response))['id']);
}
