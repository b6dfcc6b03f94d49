// A gateway that kills itself, as `kill -9` does, when it comes to the point it
// was told: FAILPOINT=name, FAIL_AT=which time it gets there. It is the built
// gateway; only its ports are watched from outside.
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

/** The point before a call, and the one behind its answer. */
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
    withdrawAnnouncement: (id) => store.withdrawAnnouncement(id),
    close: () => store.close(),
  };
}

function throughUpstream(client) {
  return {
    generate(request, options) {
      return around('generate', () => {
        const answer = client.generate(request, options);
        // The request has left and the answer is not here yet.
        setImmediate(() => reach('during generate'));
        return answer;
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
