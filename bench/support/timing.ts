/** Something to measure: does its work once and returns the measurement. */
export interface Contender<Value = number> {
  readonly name: string;
  run(round: number): Promise<Value>;
}

export interface Rounds {
  /** Rounds that are run and forgotten. */
  readonly warmUps: number;
  readonly rounds: number;
}

/**
 * Measures contenders in turns, so that whatever else the machine does meets all of them alike; every other round
 * goes backwards. Returns each contender's measurements in the order of the rounds.
 */
export async function takeTurns<Value>(
  contenders: readonly Contender<Value>[],
  { warmUps, rounds }: Rounds,
): Promise<Value[][]> {
  const measurements = contenders.map((): Value[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const i = round % 2 === 0 ? turn : contenders.length - 1 - turn;
      const value = await contenders[i].run(round);
      if (round >= 0) measurements[i].push(value);
    }
  }
  return measurements;
}
