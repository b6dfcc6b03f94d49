/** Whose commands a server may find in a prompt. */
export interface PromptSyntax {
  /** Whether forms that name files of the server, and a pipe sign, are for the server to obey. */
  readonly mode: 'plain' | 'allow';
  /** Whether the server may be one that obeys any: an image model of one's own, or one that is not known. */
  readonly mayObey: boolean;
}

interface Command {
  readonly pattern: RegExp;
  readonly name: string;
}

/** Obeyed by stable-diffusion.cpp: sets size, number and steps of the images of a request. */
const arguments_: Command = { pattern: /sd_cpp_extra_args/, name: 'sd_cpp_extra_args' };

const commands: readonly Command[] = [
  // LocalAI takes what stands behind it as the negative prompt.
  { pattern: /\|/, name: 'a pipe sign (|)' },
  {
    pattern: /<\s*(?:lora|lyco|lycoris|hypernet)\s*:[^>]*(?:[/\\]|\.\.)/,
    name: '<lora:…> with a path',
  },
  { pattern: /__[\w.*/\\-]*[a-z0-9*][\w.*/\\-]*__/, name: '__wildcard__' },
  { pattern: /\bembedding\s*:/, name: 'embedding:' },
];

/**
 * The command that a text holds, where the server could obey it: a prompt is
 * data, and must not choose files, sizes or prices.
 *
 * @returns Its name, for the refusal; undefined where the text is only a text.
 */
export function commandInPrompt(text: string, { mode, mayObey }: PromptSyntax): string | undefined {
  // As a server might read it: other widths are the same character, and invisible ones are none.
  const read = text
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
    .toLowerCase();
  if (arguments_.pattern.test(read)) return arguments_.name;
  if (mode === 'allow' || !mayObey) return undefined;
  return commands.find(({ pattern }) => pattern.test(read))?.name;
}
