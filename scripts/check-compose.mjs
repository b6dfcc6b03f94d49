// Checks of docker-compose.yml and of the load balancer's configuration: with `docker compose config` where it is installed, and of the structure everywhere.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

const problems = [];
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
  'extra_hosts',
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
  if (!known.has(name)) problems.push(`${name} is not known at the top level`);
for (const service of ['load-balancer', 'gateway', 'service', 'valkey']) {
  if (compose.services[service] === undefined) problems.push(`service ${service} is missing`);
}
for (const [name, service] of Object.entries(compose.services)) {
  for (const key of Object.keys(service))
    if (!knownOfService.has(key)) problems.push(`${name}.${key} is not known`);
  if (service.image === undefined && service.build === undefined)
    problems.push(`${name} has neither image nor build`);
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
    const needed = compose.services[other];
    if (needed === undefined) problems.push(`${name} depends on ${other}, which does not exist`);
    // The health check of the gateway is in the Dockerfile.
    const hasHealth =
      needed?.healthcheck !== undefined || (needed?.build !== undefined && other === 'gateway');
    if (condition === 'service_healthy' && !hasHealth)
      problems.push(`${other} has no health check`);
  }
  for (const volume of service.volumes ?? []) {
    const source = volume.split(':')[0];
    const isThere = source.startsWith('.') ? existsSync(source) : source in compose.volumes;
    if (!isThere) problems.push(`volume ${source} does not exist`);
  }
  for (const [variable, value] of Object.entries(service.environment ?? {})) {
    if (typeof value !== 'string')
      problems.push(`${name}.environment.${variable} must be in quotes`);
  }
  for (const port of service.ports ?? []) {
    if (!port.startsWith('127.0.0.1:')) problems.push(`${name} publishes ${port} beyond loopback`);
  }
}

if (compose.services.gateway.ports !== undefined) {
  problems.push('gateway publishes a port, so only one can run');
}

const haproxy = spawnSync('haproxy', ['-c', '-f', 'deploy/haproxy.cfg'], { encoding: 'utf8' });
if (haproxy.error !== undefined)
  process.stdout.write('"haproxy" is not installed here: its configuration was not checked\n');
else if (haproxy.status !== 0) problems.push(`deploy/haproxy.cfg: ${haproxy.stderr.trim()}`);

const { status, error, stderr } = spawnSync('docker', ['compose', 'config', '--quiet'], {
  encoding: 'utf8',
});
const isAbsent =
  error !== undefined || /unknown command|is not a docker command|unknown flag/.test(stderr);
if (isAbsent)
  process.stdout.write('"docker compose" is not installed here: only the structure was checked\n');
else if (status !== 0) problems.push(`docker compose config: ${stderr.trim()}`);

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exit(1);
}
