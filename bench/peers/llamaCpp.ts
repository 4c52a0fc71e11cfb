/** `node-llama-cpp` as a peer: llama.cpp's prebuilt library for this processor, evaluating token by token. */
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { type Generated, serve } from './serve.ts';

serve(async ({ model: modelPath, threads, contextTokens }) => {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: contextTokens, threads, batchSize: 512 });
  const sequence = context.getSequence();
  let last = 0;

  async function read(tokensToRead: number[], count: number): Promise<Generated> {
    const start = performance.now();
    const marks: number[] = [];
    const tokens: number[] = [];
    for await (const token of sequence.evaluate(tokensToRead, { temperature: 0, yieldEogToken: true })) {
      marks.push(performance.now() - start);
      tokens.push(token);
      last = token;
      if (tokens.length === count) break;
    }
    return { tokens, marks };
  }

  return {
    async generate(prompt, count) {
      await sequence.clearHistory();
      return read([...prompt], count);
    },
    goOn: (count) => read([last], count),
  };
});
