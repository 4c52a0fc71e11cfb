from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float
    quantity: int


@dataclass
class Stock:
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        self.items.append(item)

    def find(self, name: str) -> Item | None:
        for item in self.items:
            if item.name == name:
                return item
        return None

    def remove(self, name: str, quantity: int) -> None:
        item = self.find(name)
        if item is None:
            raise KeyError(name)
        if item.quantity < quantity:
            raise ValueError(f"only {item.quantity} of {name} left")
        item.quantity -= quantity

    def value(self) -> float:
        total = 0.0
        for item in self.items:
            total += item.price * item.quantity
        return total
