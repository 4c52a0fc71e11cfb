import { add, format, type Money, money } from './money.ts';
import { lineTotal, type Order, orderQuantity, orderTotal } from './orders.ts';

export function printOrder(order: Order): string {
  const rows: string[] = [];
  for (const line of order.lines) {
    rows.push(`${line.quantity} x ${line.product}: ${format(lineTotal(line))}`);
  }
  rows.push(`total: ${format(orderTotal(order))}`);
  return rows.join('\n');
}

export function revenue(orders: readonly Order[]): Money {
  let total = money(0);
  for (const order of orders) {
    total = add(total, orderTotal(order));
  }
  return total;
}

export function averageQuantity(orders: readonly Order[]): number {
  let quantity = 0;
  for (const order of orders) {
    quantity += orderQuantity(order);
  }
  return orders.length === 0 ? 0 : quantity / orders.length;
}
