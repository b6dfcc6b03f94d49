import { GatewayError } from '../errors/gateway-error.ts';
import { canonicalBytes, openSeal, sealOverheadBytes, type SealSecrets } from '../sealing/seal.ts';
import { upstreamIdBytesMax } from '../upstream/upstream-client.ts';
import type { CallerContext } from './caller-context.ts';

/**
 * The JSON form of an operation: the gateway's own, or that of the vendor's REST.
 * An operation is read in the form it was created in.
 */
export type OperationForm = 'native' | 'vendor';

/** What an operation id says to the gateways that share its secret, and to no one else. */
export interface SealedOperation {
  /** The upstream's own id: any text of at most `upstreamIdBytesMax` in UTF-8. */
  readonly upstreamId: string;
  readonly seed: bigint;
  /** When the upstream accepted it, milliseconds since 1970. */
  readonly acceptedAtMs: number;
  readonly form: OperationForm;
  /** Holder of the slot that the image takes in a limit of images at a time: 14 hexadecimal digits. Absent: it takes none. */
  readonly slotHolder?: string | undefined;
}

/**
 * Operation ids: `op_` + base64url(version, seal of accepted at, seed and
 * upstream id).
 *
 * An id carries all that is needed to find its operation again, so it outlives
 * the process that made it. It is sealed: it can't be read, guessed or altered,
 * and opens only for the tenant it was made for. One operation has one id.
 */
export interface OperationIds {
  seal(operation: SealedOperation, tenant: string): string;
  /** Undefined for anything that is not exactly an id sealed for this tenant. */
  open(id: string, tenant: string): SealedOperation | undefined;
}

const prefix = 'op_';
const version = 1;
/** Accepted at (6 bytes), seed (8 bytes) and flags (1 byte) stand before all else. */
const fixedBytes = 15;
const vendorFormFlag = 1;
/** The holder of a slot stands before the upstream id. */
const slotFlag = 2;
const slotHolderBytes = 7;
const bytesMax = 1 + sealOverheadBytes + fixedBytes + slotHolderBytes + upstreamIdBytesMax;
const idCharactersMax = prefix.length + Math.ceil((bytesMax * 4) / 3);

/** Operation ids under these secrets. Ids sealed under other ones don't open. */
export function openOperationIds(secrets: SealSecrets): OperationIds {
  const sealing = openSeal(secrets, 'operation id');
  return {
    seal(operation, tenant) {
      const sealed = sealing.seal(bytesFromSealed(operation), contextOf(tenant));
      return prefix + Buffer.concat([Buffer.of(version), sealed]).toString('base64url');
    },
    open(id, tenant) {
      if (!id.startsWith(prefix) || id.length > idCharactersMax) return undefined;
      const bytes = canonicalBytes(id.slice(prefix.length));
      if (bytes === undefined || bytes[0] !== version) return undefined;
      const contents = sealing.open(bytes.subarray(1), contextOf(tenant));
      return contents === undefined ? undefined : sealedFromBytes(contents);
    },
  };
}

function contextOf(tenant: string): string {
  return `${prefix}${version}\0${tenant}`;
}

function bytesFromSealed({ upstreamId, acceptedAtMs, seed, form, slotHolder }: SealedOperation) {
  const fixed = Buffer.alloc(fixedBytes);
  fixed.writeUIntBE(acceptedAtMs, 0, 6);
  fixed.writeBigInt64BE(seed, 6);
  const flags =
    (form === 'vendor' ? vendorFormFlag : 0) | (slotHolder === undefined ? 0 : slotFlag);
  fixed.writeUInt8(flags, 14);
  return Buffer.concat([fixed, Buffer.from(slotHolder ?? '', 'hex'), Buffer.from(upstreamId)]);
}

function sealedFromBytes(bytes: Buffer): SealedOperation {
  const flags = bytes.readUInt8(14);
  const idAt = fixedBytes + ((flags & slotFlag) === 0 ? 0 : slotHolderBytes);
  return {
    acceptedAtMs: bytes.readUIntBE(0, 6),
    seed: bytes.readBigInt64BE(6),
    form: (flags & vendorFormFlag) === 0 ? 'native' : 'vendor',
    ...(idAt > fixedBytes && { slotHolder: bytes.toString('hex', fixedBytes, idAt) }),
    upstreamId: bytes.toString('utf8', idAt),
  };
}

/** The error for anything that is not the id of an operation of this caller, however it is wrong. */
export function unknownOperation(): GatewayError {
  return new GatewayError('operation_not_found', 'there is no operation with this id');
}

/** The shape of the vendor's ids. */
const upstreamIdPattern = /^[a-z0-9]{20}$/;
const settlingMs = 60_000;

/**
 * What one of the upstream's own ids stands for. They are taken only from callers
 * who bring a credential of the upstream: it decides who may see the operation.
 * The seed is not known.
 */
export function sealedFromUpstreamId(
  id: string,
  { passthrough }: CallerContext,
  nowMs: number,
): SealedOperation | undefined {
  if (passthrough === undefined || !upstreamIdPattern.test(id)) return undefined;
  // Old enough that "not found" is no longer taken for "not yet".
  return { upstreamId: id, seed: 0n, acceptedAtMs: nowMs - settlingMs, form: 'vendor' };
}
