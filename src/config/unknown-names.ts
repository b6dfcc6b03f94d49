import { settingByWords } from './names-by-word.ts';

/** Variables that Kubernetes and Docker make for each service, whatever the service is named. */
const serviceLink =
  /_SERVICE_(?:HOST|PORT)(?:_[A-Z0-9_]+)?$|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/;
/** Value of the `…_PORT` among them. */
const serviceLinkValue = /^(?:tcp|udp|sctp):\/\//;
/** Names with fewer letters are too close to names of other programs: PATH and AUTH, POST and PORT. */
const lettersMin = 6;
/** Names with at least so many letters may differ by two of them. */
const lettersOfLong = 10;
const mistakesShownMax = 20;

type Environment = Readonly<Record<string, string | undefined>>;

/** What variables may be named without being meant for this process. */
export interface KnownNames {
  readonly settings: readonly string[];
  /** Settings of the other process of the product: both may be started with one environment. */
  readonly others?: readonly string[];
}

/**
 * A mistake for every variable whose name is nearly that of a setting. Without
 * them a mistyped setting would silently have its default: a gateway with
 * `UPSTREAM_ADRESS` would serve drawings in place of images.
 */
export function unknownNameMistakes(
  environment: Environment,
  known: KnownNames,
): readonly string[] {
  return unknownNames(environment, known)
    .flatMap((name) => {
      const byWords = settingByWords(name, known.settings);
      const meant =
        closest(name, known.settings) ?? (byWords?.isCertain ? byWords.setting : undefined);
      return meant === undefined ? [] : [`${name}: is no setting; did you mean ${meant}?`];
    })
    .slice(0, mistakesShownMax);
}

/** A warning for every variable that may be meant for this process or for another one, and has no effect. */
export function unknownNameWarnings(
  environment: Environment,
  known: KnownNames,
): readonly string[] {
  return unknownNames(environment, known)
    .flatMap((name) => {
      const meant = settingByWords(name, known.settings);
      // What is set by its own name is not missing.
      if (meant === undefined || meant.isCertain || environment[meant.setting]) return [];
      return [`${name} is no setting and has no effect; ${meant.setting} is one`];
    })
    .slice(0, mistakesShownMax);
}

function unknownNames(environment: Environment, { settings, others = [] }: KnownNames): string[] {
  const exact = new Set([...settings, ...others]);
  return Object.entries(environment)
    .filter(([name, value]) => value !== undefined && !exact.has(name))
    .filter(([name, value = '']) => !serviceLink.test(name) && !serviceLinkValue.test(value))
    .map(([name]) => name);
}

function closest(name: string, known: readonly string[]): string | undefined {
  const same = known.find((candidate) => isSameButForm(name, candidate));
  if (same !== undefined) return same;
  const candidates = known
    .filter((candidate) => lettersOf(candidate).length >= lettersMin)
    .map((candidate) => ({ candidate, distance: distanceOf(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= distanceMaxOf(candidate))
    .toSorted((a, b) => a.distance - b.distance);
  return candidates[0]?.candidate;
}

/** A setting in another case, or without the end that says what is counted: a limit that would not hold. */
function isSameButForm(name: string, candidate: string): boolean {
  const letters = lettersOf(name);
  if (letters === lettersOf(candidate)) return /[a-z_]/.test(name) || letters.length >= lettersMin;
  if (isSwapped(letters, candidate)) return true;
  return letters.length >= lettersMin && letters === lettersOf(candidate.replace(endOfLimit, ''));
}

/** Two letters of a short setting in the wrong order: AUHT. */
function isSwapped(letters: string, candidate: string): boolean {
  if (letters.length !== candidate.length || letters.length >= lettersMin) return false;
  const at = [...letters].findIndex((letter, index) => letter !== candidate[index]);
  const swapped = `${letters.slice(0, at)}${letters[at + 1] ?? ''}${letters[at] ?? ''}${letters.slice(at + 2)}`;
  return swapped === candidate;
}

/** What is left out of a limit's name. */
const endOfLimit = /(?:_S|_MS)?_MAX$/;

function distanceMaxOf(candidate: string): number {
  return lettersOf(candidate).length >= lettersOfLong ? 2 : 1;
}

function distanceOf(name: string, candidate: string): number {
  const forms = [
    name,
    name.replace(/_FILE$/i, ''),
    name.replace(addressByAnotherName, 'UPSTREAM_ADDRESS'),
  ];
  return Math.min(
    ...forms.map((form) =>
      editDistance(lettersOf(form), lettersOf(candidate), distanceMaxOf(candidate)),
    ),
  );
}

/** UPSTREAM_ADDRESS by another word: without it, images are drawn locally. */
const addressByAnotherName = /^UPSTREAM(?:_(?:ADDR|URL|URI|HOST|ENDPOINT|TARGET))?$/i;

/** A name without what people forget in it: case and underscores. */
function lettersOf(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '');
}

/**
 * The number of letters to insert, delete, replace or swap with their neighbour
 * that turn one word into another. Infinity when it is more than `max`.
 */
function editDistance(from: string, to: string, max: number): number {
  if (Math.abs(from.length - to.length) > max) return Infinity;
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const isSame = from[i - 1] === to[j - 1];
      const replaced = (last[j - 1] ?? 0) + (isSame ? 0 : 1);
      const distance = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(isSwap ? Math.min(distance, (beforeLast[j - 2] ?? 0) + 1) : distance);
    }
    beforeLast = last;
    last = row;
  }
  const distance = last.at(-1) ?? 0;
  return distance <= max ? distance : Infinity;
}
