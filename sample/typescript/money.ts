/** An amount in the smallest unit of its currency. */
export interface Money {
  readonly cents: number;
  readonly currency: string;
}

export function money(cents: number, currency = 'EUR'): Money {
  return { cents, currency };
}

export function add(left: Money, right: Money): Money {
  if (left.currency !== right.currency) {
    throw new Error(`cannot add ${right.currency} to ${left.currency}`);
  }
  return money(left.cents + right.cents, left.currency);
}

export function times(price: Money, quantity: number): Money {
  return money(Math.round(price.cents * quantity), price.currency);
}

export function format(amount: Money): string {
  return `${(amount.cents / 100).toFixed(2)} ${amount.currency}`;
}
