import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../support/seeded-random.ts';

/** Weights of one tensor: a spread of random numbers, or one number everywhere. */
type Fill = { readonly spread: number } | { readonly constant: number };
interface Tensor {
  readonly shape: readonly number[];
  readonly fill: Fill;
}
type Tensors = Map<string, Tensor>;

/** Names of the files of a model, as the options of sd-server want them. */
export interface TinyModel {
  readonly diffusion: string;
  readonly clip: string;
  readonly decoder: string;
}

const width = 128;
const clipWidth = 768;
const halfBytes = 2;

/**
 * A Flux-shaped model of random weights, in three files. It makes noise, not
 * pictures, but noise that depends on the prompt and the seed, which is all that
 * a test of what is around a model needs. stable-diffusion.cpp reads the sizes
 * from the tensors, so two blocks of 128 numbers will do; only the text encoder
 * has a fixed size, and is zeros but for what carries the words.
 */
export async function writeTinyModel(folder: string): Promise<TinyModel> {
  const model = {
    diffusion: join(folder, 'tiny-flux.safetensors'),
    clip: join(folder, 'tiny-clip.safetensors'),
    decoder: join(folder, 'tiny-decoder.safetensors'),
  };
  await writeTensors(model.diffusion, diffusionTensors());
  await writeTensors(model.clip, clipTensors());
  await writeTensors(model.decoder, decoderTensors());
  return model;
}

function linear(
  tensors: Tensors,
  name: string,
  [inputs, outputs]: readonly [number, number],
  fill: Fill = { spread: 1 / Math.sqrt(inputs) },
): void {
  tensors.set(`${name}.weight`, { shape: [outputs, inputs], fill });
  tensors.set(`${name}.bias`, { shape: [outputs], fill: { constant: 0 } });
}

function diffusionTensors(): Tensors {
  const tensors: Tensors = new Map();
  const headNorms = (prefix: string) => {
    for (const name of ['query_norm', 'key_norm']) {
      tensors.set(`${prefix}.${name}.scale`, { shape: [width], fill: { constant: 1 } });
    }
  };
  linear(tensors, 'img_in', [64, width]);
  linear(tensors, 'txt_in', [4_096, width]);
  for (const [name, inputs] of [['time_in', 256] as const, ['vector_in', clipWidth] as const]) {
    linear(tensors, `${name}.in_layer`, [inputs, width]);
    linear(tensors, `${name}.out_layer`, [width, width]);
  }
  for (const side of ['img', 'txt']) {
    const block = `double_blocks.0.${side}`;
    linear(tensors, `${block}_mod.lin`, [width, 6 * width]);
    linear(tensors, `${block}_attn.qkv`, [width, 3 * width]);
    headNorms(`${block}_attn.norm`);
    linear(tensors, `${block}_attn.proj`, [width, width]);
    linear(tensors, `${block}_mlp.0`, [width, 4 * width]);
    linear(tensors, `${block}_mlp.2`, [4 * width, width]);
  }
  linear(tensors, 'single_blocks.0.linear1', [width, 7 * width]);
  linear(tensors, 'single_blocks.0.linear2', [5 * width, width]);
  linear(tensors, 'single_blocks.0.modulation.lin', [width, 3 * width]);
  headNorms('single_blocks.0.norm');
  linear(tensors, 'final_layer.linear', [width, 64]);
  linear(tensors, 'final_layer.adaLN_modulation.1', [width, 2 * width]);
  return tensors;
}

/** CLIP-L. Its first attention mixes the words into the last one, which is all that Flux reads of it. */
function clipTensors(): Tensors {
  const tensors: Tensors = new Map();
  const set = (name: string, shape: readonly number[], fill: Fill) =>
    tensors.set(`text_model.${name}`, { shape, fill });
  const norm = (name: string) => {
    set(`${name}.weight`, [clipWidth], { constant: 1 });
    set(`${name}.bias`, [clipWidth], { constant: 0 });
  };
  set('embeddings.token_embedding.weight', [49_408, clipWidth], { spread: 1 });
  set('embeddings.position_embedding.weight', [77, clipWidth], { spread: 0.1 });
  for (let layer = 0; layer < 12; layer += 1) {
    const block = `text_model.encoder.layers.${layer}`;
    const fill = layer === 0 ? { spread: 1 / Math.sqrt(clipWidth) } : { constant: 0 };
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      linear(tensors, `${block}.self_attn.${name}`, [clipWidth, clipWidth], fill);
    }
    linear(tensors, `${block}.mlp.fc1`, [clipWidth, 4 * clipWidth], { constant: 0 });
    linear(tensors, `${block}.mlp.fc2`, [4 * clipWidth, clipWidth], { constant: 0 });
    norm(`encoder.layers.${layer}.layer_norm1`);
    norm(`encoder.layers.${layer}.layer_norm2`);
  }
  norm('final_layer_norm');
  return tensors;
}

/** A tiny autoencoder with 16 channels. The server wants the encoder too, and never uses it here: zeros. */
function decoderTensors(): Tensors {
  const tensors: Tensors = new Map();
  let side = 'decoder';
  const convolution = (
    name: string,
    [inputs, outputs]: readonly [number, number],
    { bias = 0, gain = 1 }: { readonly bias?: number | undefined; readonly gain?: number } = {},
  ) => {
    const layer = `${side}.layers.${name}`;
    const fill = side === 'encoder' ? { constant: 0 } : { spread: gain / Math.sqrt(9 * inputs) };
    tensors.set(`${layer}.weight`, { shape: [outputs, inputs, 3, 3], fill });
    tensors.set(`${layer}.bias`, { shape: [outputs], fill: { constant: bias } });
  };
  const middle = (blocks: readonly number[], layers: readonly number[]) => {
    for (const block of blocks) {
      for (const part of [0, 2, 4]) convolution(`${block}.conv.${part}`, [64, 64], { gain: 0.7 });
    }
    for (const layer of layers) {
      convolution(`${layer}`, [64, 64]);
      tensors.delete(`${side}.layers.${layer}.bias`);
    }
  };
  convolution('0', [16, 64]);
  middle([2, 3, 4, 7, 8, 9, 12, 13, 14, 17], [6, 11, 16]);
  convolution('18', [64, 3], { bias: 0.5 });
  side = 'encoder';
  convolution('0', [3, 64]);
  middle([1, 3, 4, 5, 7, 8, 9, 11, 12, 13], [2, 6, 10]);
  convolution('14', [64, 16]);
  return tensors;
}

/** Writes them in the form of safetensors, as numbers of two bytes. Zeros of all tensors are the same bytes. */
async function writeTensors(path: string, tensors: Tensors): Promise<void> {
  const sizeOf = ({ shape }: Tensor) => shape.reduce((product, side) => product * side, halfBytes);
  const isZero = ({ fill }: Tensor) => 'constant' in fill && fill.constant === 0;
  const zeroBytes = Math.max(0, ...[...tensors.values()].filter(isZero).map(sizeOf));
  const header: Record<string, object> = {};
  let end = zeroBytes;
  for (const [name, tensor] of tensors) {
    const begin = isZero(tensor) ? 0 : end;
    if (!isZero(tensor)) end += sizeOf(tensor);
    const offsets = [begin, begin + sizeOf(tensor)];
    header[name] = { dtype: 'F16', shape: tensor.shape, data_offsets: offsets };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = createWriteStream(path);
  for (const bytes of [length, text, Buffer.alloc(zeroBytes)]) file.write(bytes);
  const random = seededRandom(1);
  for (const tensor of tensors.values()) {
    if (!isZero(tensor))
      file.write(halves(sizeOf(tensor) / halfBytes, tensor.fill, () => random.fraction()));
  }
  file.end();
  await once(file, 'finish');
}

function halves(count: number, fill: Fill, random: () => number): Buffer {
  const values = Buffer.alloc(count * halfBytes);
  for (let at = 0; at < count; at += 1) {
    // Uniform with the wished deviation: its width is √12 of it.
    const value = 'constant' in fill ? fill.constant : (random() - 0.5) * fill.spread * 3.46;
    values.writeUInt16LE(halfOf(value), at * halfBytes);
  }
  return values;
}

/** The bits of a number of two bytes (IEEE 754 binary16), rounded towards zero; tiny ones are zero. */
function halfOf(value: number): number {
  if (Math.abs(value) < 2 ** -14) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.floor((Math.abs(value) / 2 ** exponent - 1) * 1_024);
  return (value < 0 ? 0x80_00 : 0) | ((exponent + 15) << 10) | Math.min(fraction, 1_023);
}
