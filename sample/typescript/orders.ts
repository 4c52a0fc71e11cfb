import { add, type Money, money, times } from './money.ts';

export interface OrderLine {
  readonly product: string;
  readonly price: Money;
  readonly quantity: number;
}

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly lines: readonly OrderLine[];
}

export function lineTotal(line: OrderLine): Money {
  return times(line.price, line.quantity);
}

export function orderTotal(order: Order): Money {
  let total = money(0);
  for (const line of order.lines) {
    total = add(total, lineTotal(line));
  }
  return total;
}

export function orderQuantity(order: Order): number {
  let quantity = 0;
  for (const line of order.lines) {
    quantity += line.quantity;
  }
  return quantity;
}

export function ordersOf(orders: readonly Order[], customer: string): readonly Order[] {
  return orders.filter((order) => order.customer === customer);
}

export function largestOrder(orders: readonly Order[]): Order | undefined {
  let largest: Order | undefined;
  for (const order of orders) {
    if (largest === undefined || orderTotal(order).cents > orderTotal(largest).cents) {
      largest = order;
    }
  }
  return largest;
}
