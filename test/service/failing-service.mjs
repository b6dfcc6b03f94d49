// A service that kills itself, as `kill -9` does, at a failpoint: FAILPOINT=name,
// FAIL_AT=at which time it is reached. It is the built service; only its files
// are wrapped.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { openAppService } from '../../dist/app-service.js';
import { serviceSettingsFromEnvironment } from '../../dist/config/service-settings.js';
import { openLog } from '../../dist/observability/log.js';

const { FAILPOINT = '', FAIL_AT = '1' } = process.env;
let left = Number(FAIL_AT);

function reach(name) {
  if (name !== FAILPOINT) return;
  left -= 1;
  if (left <= 0) process.kill(process.pid, 'SIGKILL');
}

/** The end while something goes on that has no failpoint of its own. */
function reachSoon(name) {
  if (name === FAILPOINT) setTimeout(() => reach(name), 40);
}

// The two steps of keeping a file: written beside its name, then linked to it.
const { link } = fs;
fs.link = async (from, to) => {
  reach('after part');
  await link(from, to);
  reach('after link');
};
syncBuiltinESMExports();

// A sweep comes every 30 seconds, which is longer than a life is to be.
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = (callback, delayMs, ...rest) =>
  setTimer(callback, delayMs === 30_000 ? 500 : delayMs, ...rest);

/** The failpoints before a write and after its result. */
async function around(name, write) {
  reach(`before ${name}`);
  const result = await write();
  reach(`after ${name}`);
  return result;
}

/** `target` with some methods in place of its own. */
function wrapped(target, methods) {
  return new Proxy(target, {
    get(_, name) {
      const value = methods[name] ?? target[name];
      return typeof value === 'function' && !(name in methods) ? value.bind(target) : value;
    },
  });
}

function throughStore(store) {
  return wrapped(store, {
    insert: (...accepted) => around('insert', () => store.insert(...accepted)),
    async change(id, change, ...others) {
      let name = 'refused';
      reach('before change');
      const after = await store.change(
        id,
        (record) => {
          const next = change(record);
          if (next !== undefined) name = next.state;
          if (next !== undefined) reach(`in ${next.state}`);
          return next;
        },
        ...others,
      );
      reach(`after ${name}`);
      if (name === 'stored') reachSoon('during conversion');
      return after;
    },
    remove: (ids) => around('sweep', () => store.remove(ids)),
    takeOwnership: (...owner) => around('take-over', () => store.takeOwnership(...owner)),
  });
}

function throughImages(images) {
  return wrapped(images, {
    put: (id, fence, image, form = 'own') =>
      around(form === 'own' ? 'image' : 'finished image', () => images.put(id, fence, image, form)),
  });
}

const settings = serviceSettingsFromEnvironment(process.env);
const { log, flush } = openLog({ level: settings.LOG_LEVEL });
const service = await openAppService(settings, log, { throughStore, throughImages });
log.info({ address: `http://127.0.0.1:${service.port}` }, 'listening');
void flush();
process.once('SIGTERM', () => void service.close(0).then(() => process.exit(0)));
