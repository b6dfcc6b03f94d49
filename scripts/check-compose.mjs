// docker-compose.yml and the load balancer's configuration, by `docker compose config` where there is one, and by its structure everywhere.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

const faults = [];
const compose = parse(readFileSync('docker-compose.yml', 'utf8'), {
  strict: true,
  uniqueKeys: true,
});
const known = new Set(['services', 'volumes', 'networks', 'name']);
const knownOfService = new Set([
  'build',
  'image',
  'command',
  'environment',
  'ports',
  'volumes',
  'depends_on',
  'restart',
  'healthcheck',
  'stop_grace_period',
  'read_only',
  'security_opt',
  'tmpfs',
]);

for (const name of Object.keys(compose))
  if (!known.has(name)) faults.push(`${name} is not known at the top`);
for (const service of ['load-balancer', 'gateway', 'emulator', 'valkey']) {
  if (compose.services[service] === undefined) faults.push(`service ${service} is missing`);
}
for (const [name, service] of Object.entries(compose.services)) {
  for (const key of Object.keys(service))
    if (!knownOfService.has(key)) faults.push(`${name}.${key} is not known`);
  if (service.image === undefined && service.build === undefined)
    faults.push(`${name} has neither image nor build`);
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
    const needed = compose.services[other];
    if (needed === undefined) faults.push(`${name} depends on ${other}, which is not there`);
    // The gateway's own health check stands in the Dockerfile.
    const hasHealth =
      needed?.healthcheck !== undefined || (needed?.build !== undefined && other === 'gateway');
    if (condition === 'service_healthy' && !hasHealth) faults.push(`${other} has no health check`);
  }
  for (const volume of service.volumes ?? []) {
    const source = volume.split(':')[0];
    const isThere = source.startsWith('.') ? existsSync(source) : source in compose.volumes;
    if (!isThere) faults.push(`volume ${source} is not there`);
  }
  for (const [variable, value] of Object.entries(service.environment ?? {})) {
    if (typeof value !== 'string') faults.push(`${name}.environment.${variable} must be in quotes`);
  }
  for (const port of service.ports ?? []) {
    if (!port.startsWith('127.0.0.1:')) faults.push(`${name} publishes ${port} beyond loopback`);
  }
}

if (compose.services.gateway.ports !== undefined) {
  faults.push('gateway publishes a port, so that there can be only one of it');
}

const haproxy = spawnSync('haproxy', ['-c', '-f', 'deploy/haproxy.cfg'], { encoding: 'utf8' });
if (haproxy.error !== undefined)
  process.stdout.write('"haproxy" is not installed here: its configuration was not checked\n');
else if (haproxy.status !== 0) faults.push(`deploy/haproxy.cfg: ${haproxy.stderr.trim()}`);

const { status, error, stderr } = spawnSync('docker', ['compose', 'config', '--quiet'], {
  encoding: 'utf8',
});
const isAbsent =
  error !== undefined || /unknown command|is not a docker command|unknown flag/.test(stderr);
if (isAbsent)
  process.stdout.write('"docker compose" is not installed here: only the structure was checked\n');
else if (status !== 0) faults.push(`docker compose config: ${stderr.trim()}`);

if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`);
  process.exit(1);
}
