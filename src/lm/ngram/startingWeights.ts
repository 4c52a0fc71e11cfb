const SYMBOLS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CENTRE = 24;
const STEPS_PER_LOGIT = 5;

const TABLE: readonly string[] = [
  'cbdhknrvVPTdhkosTWNWeimqRVXKRWVZ',
  'PZcfhmrvVQWahknrTWQVdhmqRVXTVWXa',
  'TaegmvrvVRYbimosTWOYekwqRVXRVWWY',
  'TcefmnvvVPYbilosTWMXhjmqRVXNSYWo',
  'QaeikqvvVLWbemosTWLUbimqRVXMRWYj',
  'PVZbehnvVKSVabbgTWMQVZZgRVXMQTVU',
  'OVdhknrvVNUdhkosTWNXeimqRVXJSVXe',
  'NSYZeervVNQWehqsTWPQWfmqRVXPRTUb',
  'OTWZfjqvVOTWbgnrTWNTbdksRVXOSWYa',
  'QXZchlmzVOTYdgo1TWLTafggRVXMRUWZ',
  'QYbejnm3VKUXcjmxTWIRZgiiRVXKPTVZ',
  'NSWXcegjVJOQVaceTWJORWZdRVXKNRTX',
  'OSWXXbfkVNQTVVabTWNQSVXbRVXNQSUT',
  'QVXYXbgmVNRTVVZdTWOQUUWaRVXMORRT',
  'QVYYYchjVNRTUUafTWNQUUYaRVXOPRSS',
  'SWYaYeipVORUVVafTWOQUVZcRVXLPSTT',
  'TXZaZfiiVNRTWVcdTWNPUVYaRVXOPQTU',
  'UYabZeikVPQTWWccTWPQUWXZRVXPQRUV',
  'WYcdaeknVPTWWVcfTWOSVUZgRVXPRSUV',
  'abegdhmpVUVbcYhiTWRVaZblRVXUVZZZ',
];

/** The weight that each bucket starts with; made by bench/ngramWeights.ts from public TypeScript, JavaScript and Python. */
export function startingWeights(): Float64Array {
  return Float64Array.from(
    TABLE.join(''),
    (symbol) => 1 / (1 + Math.exp((CENTRE - SYMBOLS.indexOf(symbol)) / STEPS_PER_LOGIT)),
  );
}

/** A row of the table from weights. */
export function encodeWeights(weights: Iterable<number>): string {
  let row = '';
  for (const weight of weights) {
    const step = Math.round(CENTRE + STEPS_PER_LOGIT * Math.log(weight / (1 - weight)));
    row += SYMBOLS[Math.max(0, Math.min(SYMBOLS.length - 1, step))];
  }
  return row;
}
