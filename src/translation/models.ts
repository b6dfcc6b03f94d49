import { GatewayError } from '../errors/gateway-error.ts';
import { printableText } from '../text/printable.ts';

/** What model names mean at this gateway. */
export interface ModelNames {
  /** Folder that model names are looked up in. */
  readonly folderId: string;
  /** Whether the caller chose that folder, by a header. */
  readonly isFolderCallers?: boolean;
  /** Model of a request that names none: a name, name/version, alias or art:// URI. */
  readonly defaultModel: string;
  /**
   * This gateway's own names for models. An alias never names another alias. `*`
   * stands for every bare name that is not known otherwise.
   */
  readonly modelAliases: ReadonlyMap<string, string>;
  /** Names of all models that the upstream has; absent where the gateway can't know them. */
  readonly modelCatalog?: readonly string[] | undefined;
  /** The names that this caller may use; absent: all. */
  readonly callerModels?: readonly string[] | undefined;
}

/** What a request itself named, as against what the configuration filled in. */
export interface NamedByCaller {
  /** The model, as the caller wrote it; absent where it is the default or an alias. */
  readonly model?: string;
  readonly folder: boolean;
}

/** The model of one request. */
export interface ChosenModel {
  readonly modelUri: string;
  readonly namedByCaller: NamedByCaller;
}

const scheme = 'art://';
const anyName = '*';
const anyScheme = '://';
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]*(?:\/[A-Za-z0-9._@-]+)?$/;
const uriPattern = /^art:\/\/[A-Za-z0-9._-]+\/[A-Za-z0-9._@-]+(?:\/[A-Za-z0-9._@-]+)?$/;
const modelCharactersMax = 256;
const listedNamesMax = 20;
const nameCharactersMax = 64;

/**
 * The model that a request means: an exact alias, a model of the catalog, the
 * alias `*`, else what the upstream makes of the name.
 *
 * @param named by the request: a name, `name/version`, an alias or a whole URI.
 * @param pointer of the field that names it.
 * @throws GatewayError `model_not_found` for a name that the catalog does not have.
 */
export function chosenModel(
  named: string | undefined,
  names: ModelNames,
  pointer = '#/model',
): ChosenModel {
  const { defaultModel, modelAliases, modelCatalog, isFolderCallers = false } = names;
  const configured = { folder: isFolderCallers };
  if (named === undefined) {
    return { modelUri: modelUriFromName(defaultModel, names), namedByCaller: configured };
  }
  const alias = modelAliases.get(named);
  if (named !== anyName && alias !== undefined) {
    return { modelUri: completed(alias, names), namedByCaller: configured };
  }
  const modelUri = completed(named, names);
  if (modelUri === modelUriFromName(defaultModel, names)) {
    return { modelUri, namedByCaller: configured };
  }
  const isPossible = canNameModel(named);
  const isUri = named.includes(anyScheme);
  const namedByCaller = { model: named, folder: isUri || isFolderCallers };
  const isListed = modelCatalog?.includes(modelNameOf(modelUri)) === true;
  if (isPossible && isListed) return { modelUri, namedByCaller };
  const fallback = modelAliases.get(anyName);
  if (fallback !== undefined && !isUri) {
    return { modelUri: completed(fallback, names), namedByCaller: configured };
  }
  if (isPossible && modelCatalog === undefined) return { modelUri, namedByCaller };
  throw modelNotFound(named, names, pointer);
}

/** Whether an upstream could have a model of this name. Others are not sent to it. */
function canNameModel(named: string): boolean {
  if (named.length > modelCharactersMax) return false;
  return namePattern.test(named) || uriPattern.test(named);
}

/**
 * One text for all that a request may call one model: `name`, `name/latest` and
 * the URI of both in the configured folder. What an alias stands for is no part
 * of it: it may change between a request and its retry.
 */
export function canonicalModelName(
  named: string | undefined,
  names: Pick<ModelNames, 'folderId' | 'modelAliases'>,
): string | undefined {
  if (named === undefined || names.modelAliases.has(named)) return named;
  const modelUri = completed(named, names);
  const folder = `${scheme}${names.folderId}/`;
  const versioned = modelUri.startsWith(folder) ? modelUri.slice(folder.length) : '';
  const [, short] = /^([^/]+\/[^/]+)$/.exec(versioned) ?? [];
  const name = short?.replace(/\/latest$/, '');
  return name === undefined || names.modelAliases.has(name) ? modelUri : name;
}

/** `name`, `name/version`, an alias or a URI → a model URI. No version is the latest one. */
export function modelUriFromName(
  name: string,
  names: Pick<ModelNames, 'folderId' | 'modelAliases'>,
): string {
  return completed(names.modelAliases.get(name) ?? name, names);
}

function completed(name: string, { folderId }: Pick<ModelNames, 'folderId'>): string {
  if (name.startsWith(scheme)) return name;
  const versioned = name.includes('/') ? name : `${name}/latest`;
  return `${scheme}${folderId}/${versioned}`;
}

/** The name in a model URI, without folder and version. */
export function modelNameOf(modelUri: string): string {
  return modelUri.slice(scheme.length).split('/')[1] ?? '';
}

/** Names that the caller may send as `model`: its own list, else all that this gateway knows. */
export function modelNamesOf({
  defaultModel,
  modelAliases,
  modelCatalog = [],
  callerModels,
}: ModelNames): readonly string[] {
  const aliases = [...modelAliases.keys()].filter((name) => name !== anyName);
  const known = [defaultModel.replace(/\/latest$/, ''), ...aliases, ...modelCatalog];
  return [...new Set(callerModels ?? known)];
}

/** The error for a model name that the caller sent and that names no model. */
export function modelNotFound(named: string, names: ModelNames, pointer = '#/model'): GatewayError {
  const detail = modelNotFoundDetail(named, names);
  return new GatewayError('model_not_found', detail, {
    outcome: 'not_started',
    violations: [{ pointer, code: 'model_not_found', detail }],
  });
}

/** Says which names exist; the upstream's own text could show a folder of the operator's. */
export function modelNotFoundDetail(named: string, names: ModelNames): string {
  const known = modelNamesOf(names);
  const listed = known.slice(0, listedNamesMax).map((name) => printableText(name, 256));
  const rest = known.length > listed.length ? ', …' : '';
  const name = printableText(named, nameCharactersMax);
  return `there is no model ${JSON.stringify(name)} that you may use; there are: ${listed.join(', ')}${rest}`;
}
