import type { GrpcCodeName } from '../../errors/grpc-code.ts';
import { culpritFromMessage, type Culprit } from '../../errors/vendor-wording.ts';

/** Codes with which the upstream refuses one request for what it asks. */
const codes: ReadonlySet<GrpcCodeName> = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
]);

const aboutModel =
  /\bmodel\b.{0,200}\b(?:not found|not exist|unknown|unsupported|not supported|unavailable|not available|denied|retired|deprecated|disabled)\b|\b(?:unknown|no such|unsupported|invalid) model\b/is;
const aboutFolder = /\bfolder\b.{0,200}\b(?:not found|not exist|unknown|denied|not match)\b/is;

/**
 * What the upstream's words say is wrong, where they say it: the vendor uses one
 * code for several mistakes of several people.
 *
 * Words that only may be about the model count as such when they quote its URI,
 * or with a code that is about a name: an upstream may also quote the prompt.
 *
 * @param fields of the request that the upstream's details name.
 */
export function culpritOf(
  code: GrpcCodeName,
  text: string,
  request: { readonly modelUri: string; readonly fields: readonly string[] },
): Culprit | undefined {
  if (!codes.has(code)) return undefined;
  const known = culpritFromMessage(text);
  if (known !== undefined) return known;
  const { modelUri, fields } = request;
  if (fields.includes('#/modelUri')) return 'model';
  const isAboutName = code === 'NOT_FOUND' || code === 'PERMISSION_DENIED';
  const quotesModel = modelUri !== '' && text.includes(modelUri);
  if (!isAboutName && !quotesModel) return undefined;
  if (aboutModel.test(text)) return 'model';
  if (aboutFolder.test(text)) return 'folder';
  return quotesModel ? 'model' : undefined;
}
