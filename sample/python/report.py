from stock import Item, Stock


def low_items(stock: Stock, limit: int = 10) -> list[Item]:
    result = []
    for item in stock.items:
        if item.quantity < limit:
            result.append(item)
    return result


def expensive_items(stock: Stock, limit: float = 20.0) -> list[Item]:
    result = []
    for item in stock.items:
        if item.price > limit:
            result.append(item)
    return result


def print_stock(stock: Stock) -> None:
    for item in stock.items:
        print(f"{item.name}: {item.quantity} at {item.price:.2f}")
    print(f"value: {stock.value():.2f}")
