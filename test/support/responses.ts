/** Reads an answer to its end: one that is left unread holds the gateway's close up. */
export async function statusOf(response: Response | Promise<Response>): Promise<number> {
  const settled = await response;
  await settled.arrayBuffer();
  return settled.status;
}

/** The JSON of an answer, and its status. */
export async function jsonOf(
  response: Response | Promise<Response>,
): Promise<Record<string, unknown>> {
  const settled = await response;
  return { httpStatus: settled.status, ...((await settled.json()) as Record<string, unknown>) };
}

/** The id of the operation that an answer holds. */
export async function idOf(response: Response | Promise<Response>): Promise<string> {
  return String((await jsonOf(response))['id']);
}
