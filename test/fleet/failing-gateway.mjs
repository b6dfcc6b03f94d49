// A gateway that kills itself, as `kill -9` does, at a failpoint: FAILPOINT=name,
// FAIL_AT=at which time it is reached. It is the built gateway; only its store
// and its upstream are wrapped.
import { buildApp } from '../../dist/app.js';
import { settingsFromEnvironment } from '../../dist/config/settings-from-environment.js';
import { openLog } from '../../dist/observability/log.js';

const { FAILPOINT = '', FAIL_AT = '1' } = process.env;
let left = Number(FAIL_AT);

function reach(name) {
  if (name !== FAILPOINT) return;
  left -= 1;
  if (left <= 0) process.kill(process.pid, 'SIGKILL');
}

/** The failpoints before a call and after its result. */
async function around(name, call) {
  reach(`before ${name}`);
  const result = await call();
  reach(`after ${name}`);
  return result;
}

const stepOfState = { reserved: 'reserve', dispatched: 'dispatch', accepted: 'settle' };

function throughStore(store) {
  return {
    isShared: store.isShared,
    durability: store.durability,
    swapRecord: (key, expected, next) =>
      around(stepOfState[next.state] ?? next.state, () => store.swapRecord(key, expected, next)),
    takeClaims: (claims) => around('claims', () => store.takeClaims(claims)),
    returnClaims: (claims) => store.returnClaims(claims),
    announce: (id, forMs) => store.announce(id, forMs),
    endAnnouncement: (id) => store.endAnnouncement(id),
    close: () => store.close(),
  };
}

function throughUpstream(client) {
  return {
    generate(request, options) {
      return around('generate', () => {
        const result = client.generate(request, options);
        // The request is sent and there is no response yet.
        setImmediate(() => reach('during generate'));
        return result;
      });
    },
    getOperation: (id, options) => client.getOperation(id, options),
    probe: () => client.probe(),
    cancelOperation: (id, options) => client.cancelOperation(id, options),
    get ready() {
      return client.ready;
    },
    close: (graceMs) => client.close(graceMs),
  };
}

const settings = settingsFromEnvironment(process.env);
const { log, flush } = openLog({ level: settings.LOG_LEVEL });
const app = await buildApp(settings, log, {
  throughStore,
  throughUpstream,
  extend(server) {
    server.addHook('onSend', async (request) => {
      if (request.method === 'POST') reach('before answer');
    });
    server.addHook('onResponse', async (request) => {
      if (request.method === 'POST') reach('after answer');
    });
  },
});
log.info({ address: await app.listen() }, 'listening');
void flush();
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
