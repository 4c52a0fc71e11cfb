// The peers are installed on demand, so their own types are not at hand; this is what is used of them.

declare module '@huggingface/transformers' {
  export const env: { allowRemoteModels: boolean; localModelPath: string };
  export class Tensor {
    constructor(type: string, data: BigInt64Array, dimensions: readonly number[]);
  }
  interface Generator {
    generate(options: Readonly<Record<string, unknown>>): Promise<{ readonly past_key_values: unknown }>;
  }
  export const AutoModelForCausalLM: {
    from_pretrained(name: string, options: Readonly<Record<string, unknown>>): Promise<Generator>;
  };
}

declare module 'node-llama-cpp' {
  export const LlamaLogLevel: { readonly error: string };
  interface Sequence {
    clearHistory(): Promise<void>;
    evaluate(tokens: number[], options: Readonly<Record<string, unknown>>): AsyncIterable<number>;
  }
  interface Context {
    getSequence(): Sequence;
  }
  interface Model {
    createContext(options: Readonly<Record<string, unknown>>): Promise<Context>;
  }
  interface Llama {
    loadModel(options: Readonly<Record<string, unknown>>): Promise<Model>;
  }
  export function getLlama(options: Readonly<Record<string, unknown>>): Promise<Llama>;
}
