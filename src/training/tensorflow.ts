import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';

/** `native` is `@tensorflow/tfjs-node`, where it is installed and loads; `wasm` is always there. */
export type BackendName = 'native' | 'wasm';

const load = createRequire(import.meta.url);

/**
 * Makes TensorFlow.js ready to train in this thread, on the backend wished for or on the fastest that loads, and says
 * which it is. The same backend gives the same numbers for the same seed; another rounds differently.
 *
 * @throws if `native` is wished for and does not load
 */
export async function openBackend(wish?: BackendName): Promise<BackendName> {
  await registerGradients();
  if (wish !== 'wasm' && (await openNative(wish))) return 'native';
  await openWasm();
  return 'wasm';
}

async function openNative(wish: BackendName | undefined): Promise<boolean> {
  // tfjs-node 4.22 calls functions that Node 23 removed.
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
  try {
    load('@tensorflow/tfjs-node');
    return await tf.setBackend('tensorflow');
  } catch (error) {
    if (wish === 'native') throw error;
    return false;
  }
}

async function openWasm(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(wasmFolder());
  await tf.setBackend('wasm');
  await tf.ready();
  registerProductGradient();
}

/**
 * The gradient of A · B with Bᵀ and Aᵀ made first: the WASM backend multiplies by a transposed matrix without SIMD, which
 * takes five to thirteen times as long.
 */
function registerProductGradient(): void {
  const given = tf.getGradient('BatchMatMul');
  tf.registerGradient({
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc(dy, saved, attributes) {
      if (attributes.transposeA || attributes.transposeB || Array.isArray(dy)) {
        return given.gradFunc(dy, saved, attributes);
      }
      const [a, b] = saved;
      return {
        a: () => tf.matMul(dy, transposed(b)),
        b: () => tf.matMul(transposed(a), dy),
      };
    },
  });
}

/** The last two axes change places. */
function transposed(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  const [row, column] = axes.splice(-2);
  return tf.transpose(x, [...axes, column, row]);
}

/** Where the .wasm files are: beside the bundle, or in the package. */
function wasmFolder(): string {
  if (!import.meta.url.endsWith('.ts')) return join(import.meta.dirname, '/');
  return join(dirname(load.resolve('@tensorflow/tfjs-backend-wasm')), '/');
}

/**
 * The gradients are in the package's ES modules only, which import each other without file extensions, as bundlers
 * understand it and Node does not.
 */
async function registerGradients(): Promise<void> {
  const hooks = module.registerHooks?.({
    resolve(specifier, context, next) {
      const lacksExtension =
        specifier.startsWith('.') &&
        !specifier.endsWith('.js') &&
        context.parentURL?.includes('/@tensorflow/tfjs-core/dist/');
      return next(lacksExtension ? `${specifier}.js` : specifier, context);
    },
  });
  try {
    await import('@tensorflow/tfjs-core/dist/register_all_gradients.js');
  } finally {
    hooks?.deregister();
  }
}
