/** `@huggingface/transformers` as a peer: its own generate(), with its key/value cache. */
import path from 'node:path';
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers';
import { type Generated, serve } from './serve.ts';

serve(async ({ model: folder, threads }) => {
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(folder);
  const dtype = folder.includes('-q4-') ? 'q4' : 'q8';
  const model = await AutoModelForCausalLM.from_pretrained(path.basename(folder), {
    dtype,
    device: 'cpu',
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 },
  });
  let all: number[] = [];
  let past: unknown;

  async function read(count: number): Promise<Generated> {
    const dimensions = [1, all.length];
    const marks: number[] = [];
    const tokens: number[] = [];
    const start = performance.now();
    // The streamer hears of the prompt first, then of one token at a time.
    let hasPrompt = false;
    const streamer = {
      put(values: readonly (readonly bigint[])[]) {
        if (hasPrompt) {
          marks.push(performance.now() - start);
          tokens.push(Number(values[0][0]));
        }
        hasPrompt = true;
      },
      end() {},
    };
    const { past_key_values } = await model.generate({
      input_ids: new Tensor('int64', BigInt64Array.from(all, BigInt), dimensions),
      attention_mask: new Tensor('int64', new BigInt64Array(all.length).fill(1n), dimensions),
      max_new_tokens: count,
      min_new_tokens: count,
      do_sample: false,
      return_dict_in_generate: true,
      past_key_values: past,
      streamer,
    });
    past = past_key_values;
    all.push(...tokens);
    return { tokens, marks };
  }

  return {
    generate(prompt, count) {
      all = [...prompt];
      past = null;
      return read(count);
    },
    goOn: read,
  };
});
