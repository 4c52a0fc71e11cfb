/** Which policy serves a request; drawn per request, so that what becomes of it can be compared fairly. */
export type Arm = 'champion' | 'challenger' | 'hedge';

/** The probability of each arm at one draw; they sum to 1. */
export type Propensities = Readonly<Record<Arm, number>>;

/** The versions of the policy that may serve now; null stands for Hedge, which needs no version. */
export interface ServingVersions {
  readonly champion: number | null;
  readonly challenger: number | null;
}

/** One draw with all that a comparison of the arms needs later. */
export interface ArmDraw {
  readonly arm: Arm;
  /** The version that serves this request; null for Hedge. */
  readonly policyVersion: number | null;
  readonly propensities: Propensities;
  readonly versions: ServingVersions;
}

/**
 * How requests are divided while there is a challenger. The challenger's share sets how fast evidence grows: the
 * variance of a comparison is about that of one reward ÷ the smaller share.
 */
export const armShares: Propensities = { champion: 0.65, challenger: 0.3, hedge: 0.05 };

/**
 * Draws the arm of one request, independently of everything about the request and of all earlier draws: only then do
 * the propensities mean what they say. One draw gives one sample of a comparison; a draw that is kept for further
 * requests must count as one sample with them.
 *
 * Arms that would be served by the same policy are one arm: without a challenger its share goes to the champion, and
 * while the champion is Hedge itself the arm `hedge` has propensity 0.
 * @param random uniform numbers in [0, 1)
 */
export function drawArm(versions: ServingVersions, random: () => number, shares = armShares): ArmDraw {
  const propensities = propensitiesFor(versions, shares);
  const drawn = random();
  const { champion, challenger } = propensities;
  const arm = drawn < champion ? 'champion' : drawn < champion + challenger ? 'challenger' : 'hedge';
  return { arm, policyVersion: arm === 'hedge' ? null : versions[arm], propensities, versions };
}

function propensitiesFor({ champion, challenger }: ServingVersions, shares: Propensities): Propensities {
  const challengers = challenger === null ? 0 : shares.challenger;
  const hedges = champion === null ? 0 : shares.hedge;
  return { champion: 1 - challengers - hedges, challenger: challengers, hedge: hedges };
}
