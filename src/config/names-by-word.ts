/** Words with one meaning in names of settings. The second is the one that is compared. */
const sameWords: Readonly<Record<string, string>> = {
  URL: 'ADDRESS',
  URI: 'ADDRESS',
  ADDR: 'ADDRESS',
  ENDPOINT: 'ADDRESS',
  PATH: 'FILE',
  DIRECTORY: 'DIR',
  LVL: 'LEVEL',
  REDIS: 'STORE',
  VALKEY: 'STORE',
};
/** Words that other programs have in such names, and this one has not. */
const furtherWords: ReadonlySet<string> = new Set([
  ...['ACCESS', 'ALLOWED', 'BUNDLE', 'CERT', 'CERTIFICATE', 'GATEWAY', 'GRPC', 'ROOT'],
  ...['SSL', 'TLS'],
]);
const authByAnotherName =
  /^AUTH(?:ENTICATION)?_(?:MODE|TYPE|METHOD|KIND|ENABLED|REQUIRED)$|^AUTHENTICATION$/i;
/** First words that only settings of this program have. */
const ownFirstWords: ReadonlySet<string> = new Set([
  ...['ALLOW', 'ALLOWED', 'API', 'AUTH', 'BACKEND', 'CALLER', 'CORS', 'EMULATOR', 'GATEWAY'],
  ...['IMAGE', 'IMAGES', 'JWKS', 'MODEL', 'OPERATIONS', 'PROMPT', 'UPSTREAM'],
]);

/** A setting that a variable may be meant for. */
export interface MeantSetting {
  readonly setting: string;
  /** Whether no other program has a variable of such a name. */
  readonly isCertain: boolean;
}

/** The setting whose words a name has in other forms: `UPSTREAM_CA_CERT_FILE`, `AUTH_MODE`, `DATA_DIRECTORY`. */
export function settingByWords(name: string, known: readonly string[]): MeantSetting | undefined {
  if (authByAnotherName.test(name) && known.includes('AUTH')) {
    return { setting: 'AUTH', isCertain: true };
  }
  const words = wordsOf(name);
  const setting = known.find((candidate) => isNamedBy(words, candidate));
  if (setting === undefined) return undefined;
  const isOurs = words[0] === 'GATEWAY' || ownFirstWords.has(setting.split('_')[0] ?? '');
  return { setting, isCertain: isOurs };
}

/** Whether these are the words of a setting in their order, with further words in between. */
function isNamedBy(words: readonly string[], setting: string): boolean {
  const wanted = wordsOf(setting);
  // A name of one word is too short for more than its own letters.
  if (wanted.length < 2) return false;
  // A file that has no other form may be named without saying so.
  const isFile = wanted[0] === 'UPSTREAM' && wanted[1] === 'CA';
  const forms = isFile ? [wanted, wanted.slice(0, -1)] : [wanted];
  return forms.some((form) => {
    let at = 0;
    for (const word of words) {
      if (word === form[at]) at += 1;
      else if (!furtherWords.has(word)) return false;
    }
    return at === form.length;
  });
}

function wordsOf(name: string): readonly string[] {
  return name
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .map((word) => sameWords[word] ?? word)
    .map((word) => (/[^S]S$/.test(word) && word.length > 3 ? word.slice(0, -1) : word));
}
