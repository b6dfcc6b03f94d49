import type { ErrorForm } from './error-form.ts';
import { nativeForm } from './native-form.ts';
import { openAiForm } from './openai-form.ts';
import { vendorForm } from './vendor-form.ts';

const forms = [vendorForm, openAiForm] as const;

/** The form that clients of a path read, where no route says it: the path is wrong, or the request unreadable. */
export function errorFormOfPath(path: string): ErrorForm {
  return forms.find((form) => form.ownsPath(path)) ?? nativeForm;
}
