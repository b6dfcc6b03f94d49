import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import {
  serviceSettings,
  serviceSettingsFromEnvironment,
} from '../../src/config/service-settings.ts';
import { settings } from '../../src/config/settings.ts';
import { statusOf } from '../support/responses.ts';
import { startGateway } from '../support/gateway.ts';
import { violationsOf, manifestsOf, ofKind, type Manifest } from './manifest.ts';
import { filesBelow, textOf } from './source-file.ts';

const folder = 'deploy/kubernetes';
const kustomization = `${folder}/kustomization.yaml`;
const files = filesBelow([folder], '.yaml').filter((path) => path !== kustomization);
/** Kinds that an extension of the cluster brings, so that its schema is not among the cluster's own. */
const isExtension = ({ apiVersion }: Manifest) => apiVersion.startsWith('gateway.networking.');
/** Parts that are put over another manifest. */
const isPatch = ({ path }: Manifest) => path.endsWith('/scale-by-waiters.yaml');
const manifests = files.flatMap(manifestsOf);

const [deployment] = ofKind(manifests, Deployment);
/** The one manifest of a kind with that name. */
function named<Model extends { readonly metadata?: { readonly name?: string | undefined } }>(
  found: readonly Model[],
  name: string,
): Model | undefined {
  return found.find(({ metadata }) => metadata?.name === name);
}
const store = named(ofKind(manifests, StatefulSet), 'valkey');
const imageService = named(ofKind(manifests, StatefulSet), 'image-service');
const policies = ofKind(manifests, NetworkPolicy);
const pod = deployment?.spec?.template;
const [container] = pod?.spec?.containers ?? [];
if (pod?.spec === undefined || container === undefined) throw new Error('no Deployment is there');
const podSpec = pod.spec;
const labels = pod.metadata?.labels ?? {};
const portsOf = (ports: typeof container.ports) =>
  new Map((ports ?? []).map(({ name = '', containerPort }) => [name, containerPort]));
const ports = portsOf(container.ports);

function environmentOf(file: string): Record<string, string> {
  return Object.fromEntries(
    textOf(`${folder}/${file}`)
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
const fileEnvironment = environmentOf('gateway.env');
const environment: Record<string, string> = {
  ...fileEnvironment,
  ...Object.fromEntries(
    (container.env ?? []).map(({ name, value }) => [
      name,
      value ?? 'rediss://:password@store:6379',
    ]),
  ),
};

function secondsOf(text: string): number {
  expect(text).toMatch(/^\d+s?$/);
  return Number.parseInt(text, 10);
}

/** Bytes of `1280Mi` or `1Gi`. */
function bytesOf(quantity: unknown): number {
  const [, count = '', unit = ''] = /^(\d+)(Ki|Mi|Gi)$/.exec(String(quantity)) ?? [];
  return Number(count) * 1024 ** (['Ki', 'Mi', 'Gi'].indexOf(unit) + 1);
}

test('every manifest is what its schema says, without a field that the cluster does not read', () => {
  expect(manifests.length).toBeGreaterThan(10);
  const whole = manifests.filter((manifest) => !isExtension(manifest) && !isPatch(manifest));
  expect(whole.flatMap(violationsOf)).toStrictEqual([]);
  const autoscalers = ofKind(manifests, HorizontalPodAutoscaler);
  const [autoscaler, patch] = autoscalers;
  expect(autoscalers.map(isPatch)).toStrictEqual([false, true]);
  const patched = { ...autoscaler, ...patch, spec: { ...autoscaler?.spec, ...patch?.spec } };
  expect(violationsOf(patched as Manifest)).toStrictEqual([]);
});

test('the kustomization names every file, and no other', () => {
  const text = textOf(kustomization);
  const named = Array.from(
    text.matchAll(/- (?:path: )?(\S+\.(?:yaml|env))$/gm),
    ([, path = '']) => path,
  );
  const settingFiles = [`${folder}/gateway.env`, `${folder}/image-service.env`];
  const there = [...files, ...settingFiles].map((path) => path.slice(folder.length + 1));
  expect(named.toSorted()).toStrictEqual(there.toSorted());
});

describe('the settings', () => {
  test('are settings of the gateway, or of Node', () => {
    const unknown = Object.keys(environment).filter(
      (name) => !Object.hasOwn(settings, name) && !name.startsWith('NODE_'),
    );
    expect(unknown).toStrictEqual([]);
  });

  test('let a gateway start, and hold no secret', () => {
    expect(() => settingsFromEnvironment(environment)).not.toThrow();
    const secret = /(?:SECRET|API_KEY|IAM_TOKEN|STORE_URL)$/;
    const shown = Object.keys(fileEnvironment).filter((name) => secret.test(name));
    expect(shown).toStrictEqual([]);
  });

  test('name files that the Secret brings, and that the page says to make', () => {
    const secrets = podSpec.volumes?.find(({ name }) => name === 'secrets')?.secret;
    const brought = (secrets?.items ?? []).map(({ path }) => `/secrets/${path}`);
    const named = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
    expect(named.map(([, path]) => path).toSorted()).toStrictEqual(brought.toSorted());
    const keys = (container.env ?? []).flatMap(
      ({ valueFrom }) => valueFrom?.secretKeyRef?.key ?? [],
    );
    const page = textOf(`${folder}/README.md`);
    for (const key of [...keys, ...(secrets?.items ?? []).map((item) => item.key)])
      expect(page).toMatch(
        new RegExp(`--from-(?:file|literal)=${key.replace('.', '\\.')}(?:=|\\s)`),
      );
  });
});

describe('the ports', () => {
  test('are those that the settings open', () => {
    const { PORT, METRICS_PORT } = environment;
    expect(ports).toStrictEqual(
      new Map([
        ['http', Number(PORT)],
        ['metrics', Number(METRICS_PORT)],
      ]),
    );
    expect(pod.metadata?.annotations).toMatchObject({ 'prometheus.io/port': METRICS_PORT });
  });

  test('have the names that other manifests use for them', () => {
    const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
    expect(probes.map((probe) => probe?.httpGet?.port)).toStrictEqual(['http', 'http', 'http']);
    const services = new Map(
      ofKind(manifests, Service).map((service) => [service.metadata?.name, service.spec?.ports]),
    );
    expect(services.get('gateway')).toMatchObject([{ name: 'http', port: 80, targetPort: 'http' }]);
    const stores = portsOf(store?.spec?.template.spec?.containers[0]?.ports);
    expect(stores.get(String(services.get('valkey')?.[0]?.targetPort))).toBe(6379);
    const own = named(policies, 'gateway');
    expect(
      own?.spec?.ingress?.flatMap((rule) => rule.ports ?? []).map(({ port }) => port),
    ).toStrictEqual([...ports.keys()]);
    const [ingress] = ofKind(manifests, Ingress);
    const backend = ingress?.spec?.rules?.[0]?.http?.paths[0]?.backend.service;
    expect(backend).toStrictEqual({ name: 'gateway', port: { name: 'http' } });
  });
});

test('the paths of the probes are routes', async () => {
  const gateway = await startGateway({ UPSTREAM_ADDRESS: 'http://127.0.0.1:1' });
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
  const statuses = await Promise.all(
    probes.map((probe) => statusOf(gateway.fetch(probe?.httpGet?.path ?? '/missing'))),
  );
  await gateway.close();
  // Without an upstream it lives, and is not ready.
  expect(statuses).toStrictEqual([200, 200, 503]);
});

test('a pod is given longer to end than the drain takes, and is seen as draining while it still serves', () => {
  const { SHUTDOWN_TIMEOUT_MS } = settingsFromEnvironment(environment);
  const delayMs = Number(environment['DRAIN_DELAY_MS']);
  // The process ends five seconds after requests in flight were cut.
  const drainMs = SHUTDOWN_TIMEOUT_MS + 5_000;
  expect((podSpec.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(drainMs);
  expect(SHUTDOWN_TIMEOUT_MS).toBeGreaterThan(delayMs);
  const { periodSeconds = 0, failureThreshold = 0 } = container.readinessProbe ?? {};
  expect(delayMs).toBeGreaterThan(periodSeconds * failureThreshold * 1_000);
});

test('no image floats, and the gateway’s own is this version', () => {
  const { images } = parse(textOf(kustomization)) as { images: Record<string, string>[] };
  const { version } = JSON.parse(textOf('package.json')) as { version: string };
  expect(images).toMatchObject([{ name: container.image, newTag: version }]);
  expect(imageService?.spec?.template.spec?.containers[0]?.image).toBe(container.image);
  const stores = store?.spec?.template.spec?.containers.map(({ image }) => image) ?? [];
  const tags = stores.map((image = '') => /:([^:/]+)$/.exec(image)?.[1] ?? 'latest');
  expect(tags).not.toHaveLength(0);
  expect(tags).not.toContain('latest');
});

test('every selector finds the pods it is meant for', () => {
  const selectors = {
    deployment: deployment?.spec?.selector.matchLabels,
    spread: podSpec.topologySpreadConstraints?.map((item) => item.labelSelector?.matchLabels),
    service: ofKind(manifests, Service).find(({ metadata }) => metadata?.name === 'gateway')?.spec
      ?.selector,
    budget: ofKind(manifests, PodDisruptionBudget)[0]?.spec?.selector?.matchLabels,
    policy: named(policies, 'gateway')?.spec?.podSelector?.matchLabels,
  };
  expect(selectors).toStrictEqual({
    deployment: labels,
    spread: [labels, labels],
    service: labels,
    budget: labels,
    policy: labels,
  });
  const egress = named(policies, 'gateway')?.spec?.egress?.flatMap(({ to }) => to ?? []) ?? [];
  for (const behind of [store, imageService]) {
    const name = behind?.metadata?.name ?? '';
    const itsLabels = behind?.spec?.template.metadata?.labels;
    expect(behind?.spec?.selector.matchLabels).toStrictEqual(itsLabels);
    expect(named(ofKind(manifests, Service), name)?.spec?.selector).toStrictEqual(itsLabels);
    expect(egress.map(({ podSelector }) => podSelector?.matchLabels)).toContainEqual(itsLabels);
    const itsPolicy = named(policies, name)?.spec;
    expect(itsPolicy?.podSelector?.matchLabels).toStrictEqual(itsLabels);
    expect(itsPolicy?.ingress?.[0]?.from?.[0]?.podSelector?.matchLabels).toStrictEqual(labels);
  }
  // One that scales something else would scale nothing.
  const scaled = ofKind(manifests, HorizontalPodAutoscaler).flatMap(
    ({ spec }) => spec?.scaleTargetRef ?? [],
  );
  const { apiVersion, kind, metadata } = deployment ?? {};
  expect(scaled).toStrictEqual([{ apiVersion, kind, name: metadata?.name }]);
});

test('memory has room for what the gateway bounds itself to, and the heap for less than that', () => {
  const limit = bytesOf(container.resources?.limits?.['memory']);
  expect(limit).toBeGreaterThanOrEqual(1.2 * 1024 ** 3);
  expect(bytesOf(container.resources?.requests?.['memory'])).toBe(1024 ** 3);
  const [, heap = ''] = /--max-old-space-size=(\d+)/.exec(environment['NODE_OPTIONS'] ?? '') ?? [];
  const cacheBytes = settingsFromEnvironment(environment).RESULT_CACHE_BYTES_MAX;
  expect(Number(heap)).toBeGreaterThanOrEqual(256);
  expect(Number(heap) * 1024 ** 2 + cacheBytes).toBeLessThan(1024 ** 3);
});

test('a pod has no more rights than it needs', () => {
  expect(podSpec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
  const behind = [store, imageService].map((each) => each?.spec?.template.spec);
  for (const spec of [podSpec, ...behind]) {
    expect(spec?.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const { securityContext } of spec?.containers ?? []) {
      expect(securityContext).toStrictEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  }
});

test('every way in waits longer than a request may take, and repeats nothing', () => {
  const { annotations = {} } = ofKind(manifests, Ingress)[0]?.metadata ?? {};
  const nginx = 'nginx.ingress.kubernetes.io';
  const [route] = manifests.filter(isExtension) as unknown as [
    { spec: { rules: { timeouts: { request: string }; retry?: object; backendRefs: object[] }[] } },
  ];
  const [rule] = route.spec.rules;
  const limits = [annotations[`${nginx}/proxy-read-timeout`], rule?.timeouts.request];
  // OpenAI's clients get a response after 280 s at most.
  for (const limit of limits) expect(secondsOf(limit ?? '')).toBeGreaterThan(280);
  expect(annotations).toMatchObject({
    [`${nginx}/proxy-next-upstream`]: 'off',
    [`${nginx}/proxy-buffering`]: 'off',
  });
  expect(rule?.retry).toBeUndefined();
  expect(rule?.backendRefs).toStrictEqual([{ name: 'gateway', port: 80 }]);
});

describe('the service that makes the images', () => {
  const servicePod = imageService?.spec?.template.spec;
  const serviceContainer = servicePod?.containers[0];
  const serviceEnvironment: Record<string, string> = {
    ...environmentOf('image-service.env'),
    ...Object.fromEntries(
      (serviceContainer?.env ?? []).map(({ name, value = '' }) => [name, value]),
    ),
  };

  test('starts with its settings, which are all its own', () => {
    const unknown = Object.keys(serviceEnvironment).filter(
      (name) => !Object.hasOwn(serviceSettings, name) && !name.startsWith('NODE_'),
    );
    expect(unknown).toStrictEqual([]);
    expect(() => serviceSettingsFromEnvironment(serviceEnvironment)).not.toThrow();
  });

  test('is found by the gateways, on its port, with a key that the page says to make', () => {
    const { SERVICE_PORT, SERVICE_METRICS_PORT, SERVICE_API_KEYS_FILE } =
      serviceSettingsFromEnvironment(serviceEnvironment);
    const gateway = settingsFromEnvironment(environment);
    const service = named(ofKind(manifests, Service), 'image-service');
    expect(gateway).toMatchObject({
      UPSTREAM_ADDRESS: `http://${service?.metadata?.name}:${service?.spec?.ports?.[0]?.port}`,
      UPSTREAM_IS_SERVICE: true,
      UPSTREAM_API_KEY_FILE: '/secrets/upstream-api-key',
    });
    expect(portsOf(serviceContainer?.ports)).toStrictEqual(
      new Map([
        ['grpc', SERVICE_PORT],
        ['metrics', SERVICE_METRICS_PORT],
      ]),
    );
    expect(imageService?.spec?.template.metadata?.annotations).toMatchObject({
      'prometheus.io/port': String(SERVICE_METRICS_PORT),
    });
    expect(serviceContainer?.readinessProbe?.grpc?.port).toBe(SERVICE_PORT);
    const file = SERVICE_API_KEYS_FILE?.replace('/secrets/', '') ?? '';
    const page = textOf(`${folder}/README.md`);
    expect(page).toContain(`image-service-secrets --from-file=${file}`);
    expect(page).toContain(`echo "gateway $(cat upstream-api-key)" > ${file}`);
  });

  test('is given longer to end than its drain takes, and its volume holds its images', () => {
    const { SERVICE_DRAIN_MS, IMAGES_BYTES_MAX, DATA_DIR } =
      serviceSettingsFromEnvironment(serviceEnvironment);
    const graceMs = (servicePod?.terminationGracePeriodSeconds ?? 0) * 1_000;
    expect(graceMs).toBeGreaterThan(SERVICE_DRAIN_MS + 5_000);
    const [claim] = imageService?.spec?.volumeClaimTemplates ?? [];
    const size = bytesOf(claim?.spec?.resources?.requests?.['storage']);
    expect(size).toBeGreaterThan(1.5 * IMAGES_BYTES_MAX);
    expect(serviceContainer?.volumeMounts).toContainEqual({
      name: claim?.metadata?.name,
      mountPath: DATA_DIR,
    });
  });
});
