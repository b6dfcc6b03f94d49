import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { AppCallers } from './app-callers.ts';
import type { ReadToken } from './callers/access-tokens.ts';
import { systemClock, systemRandom } from './clock/system-clock.ts';
import type { SettingValues } from './config/settings.ts';
import { OperationResponses } from './http/operation-response.ts';
import type { Readiness } from './http/routes/health.ts';
import { buildServer, type ServerOptions } from './http/server.ts';
import type { LoadShedding } from './load/load-shedding.ts';
import type { Core } from './operations/core.ts';
import { reachableHost } from './text/host.ts';
import type { ModelCatalog } from './translation/model-card.ts';

/** The HTTP server with everything its routes work with. */
export interface AppServer {
  readonly server: FastifyInstance;
  /** Listens, and resolves with where: links may name PUBLIC_URL instead. */
  listen(): Promise<string>;
}

export interface AppServerParts extends Pick<
  ServerOptions,
  'edge' | 'extend' | 'log' | 'observer' | 'tracing'
> {
  readonly callers: AppCallers;
  readonly core: Core;
  readonly shedding: LoadShedding;
  readonly readiness: () => Readiness;
  /** The models of the upstream, as far as they are known now. */
  readonly models: () => ModelCatalog;
}

/** Thousands of callers may come back at once: those that the kernel's queue cannot hold wait a second and longer. */
const backlog = 4_096;

/** Of all connections, what one peer may hold by default: a proxy in front needs most, and others need some. */
const peerShare = 0.75;

/** Builds the server; it takes no connection before `listen`. */
export async function openAppServer(
  settings: SettingValues,
  parts: AppServerParts,
): Promise<AppServer> {
  const { callers, core, shedding, models, ...options } = parts;
  const { HOST: host } = settings;
  const nowMs = () => systemClock.nowMs();
  let origin = settings.PUBLIC_URL ?? originOf(host, settings.PORT);
  const server = await buildServer({
    ...options,
    edge: {
      connectionsMax: settings.CONNECTIONS_MAX,
      connectionsPerPeerMax:
        settings.CONNECTIONS_PER_PEER_MAX ?? Math.ceil(settings.CONNECTIONS_MAX * peerShare),
      ...options.edge,
    },
    origin: () => origin,
    corsOrigins: settings.CORS_ORIGINS,
    allowedHosts: settings.ALLOWED_HOSTS,
    authenticator: callers.authenticator,
    tokens: callers.tokens,
    services: {
      operations: core.operations,
      creates: core.creates,
      clientAttempts: core.clientAttempts,
      shedding,
      isLive: (identity) => callers.authenticator.isLive(identity),
      responses: new OperationResponses({
        origin: () => origin,
        nowMs,
        ...(callers.authenticator.signsLinks && {
          signLink: (id: string, link: ReadToken) => callers.tokens.sealRead(id, link),
        }),
      }),
      clock: systemClock,
      random: systemRandom,
      models,
      imageDefaults: {
        folderId: settings.FOLDER_ID ?? 'local',
        defaultModel: settings.DEFAULT_MODEL,
        modelAliases: settings.MODEL_ALIASES,
        promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
        promptCharactersMaxByModel: settings.PROMPT_CHARACTERS_MAX_BY_MODEL,
      },
    },
  });
  return {
    server,
    async listen() {
      await server.listen({ host, port: settings.PORT, backlog });
      const { port } = server.server.address() as AddressInfo;
      const address = originOf(host, port);
      origin = settings.PUBLIC_URL ?? address;
      return address;
    },
  };
}

function originOf(host: string, port: number): string {
  return `http://${reachableHost(host)}:${port}`;
}
