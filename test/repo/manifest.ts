import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Namespace, Service, ServiceAccount } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { textOf } from './source-file.ts';

const schemas = [
  ...[Deployment, StatefulSet, HorizontalPodAutoscaler, Ingress, NetworkPolicy],
  ...[PodDisruptionBudget, Namespace, Service, ServiceAccount],
];

/** One document of a YAML file of deploy/kubernetes. */
export interface Manifest {
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
}

/** @throws Error of a file that is not YAML, or that sets a key twice. */
export function manifestsOf(path: string): readonly Manifest[] {
  return parseAllDocuments(textOf(path)).map((document) => {
    for (const error of [...document.errors, ...document.warnings]) throw error;
    return { ...(document.toJS() as Omit<Manifest, 'path'>), path };
  });
}

/** The manifests of one kind, with its type. */
export function ofKind<Model extends object>(
  manifests: readonly Manifest[],
  schema: { readonly kind: string; readonly apiVersion: string; new (data?: never): Model },
): readonly (Model & Manifest)[] {
  return manifests.filter(
    ({ kind, apiVersion }) => kind === schema.kind && apiVersion === schema.apiVersion,
  ) as (Model & Manifest)[];
}

/** What the cluster would refuse: values of the wrong form, and fields that it does not know. */
export function violationsOf({ path, ...document }: Manifest): readonly string[] {
  const schema = schemas.find(
    ({ kind, apiVersion }) => kind === document.kind && apiVersion === document.apiVersion,
  );
  const name = `${path}: ${document.kind}`;
  if (schema === undefined) return [`${name} has no schema here`];
  const unread = new Set<string>();
  try {
    schema.prototype.validate.call(watched(document, '', unread));
  } catch (error) {
    return [`${name}: ${(error as Error).message}`];
  }
  return [...unread].map((field) => `${name}: ${field} is no field of it`);
}

/** A view that removes each field that is read from `unread`: a schema never reads a field that it does not know. */
function watched(value: object, path: string, unread: Set<string>): object {
  const views = new Map<string, unknown>();
  for (const [key, child] of Object.entries(value)) {
    const field = `${path}/${key}`;
    unread.add(field);
    const isTree = typeof child === 'object' && child !== null;
    views.set(key, isTree ? watched(child as object, field, unread) : child);
  }
  return new Proxy(value, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      const view = typeof key === 'string' ? views.get(key) : undefined;
      return view ?? (Reflect.get(target, key) as unknown);
    },
  });
}
