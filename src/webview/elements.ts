/** An element with a class, attributes and children, in one expression. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The line in a member's colour and style that stands for it. */
export function markElement(mark: number): HTMLElement {
  return element('span', `mark mark-${mark}`, { 'aria-hidden': 'true' });
}

/**
 * A bar with a stretch for each part, `fraction` (0 to 1) of it wide. The numbers beside it say the same, so
 * that it is hidden from screen readers.
 */
export function barElement(
  ...parts: readonly { readonly mark: number; readonly fraction: number }[]
): HTMLElement {
  const stretches = parts.map(({ mark, fraction }) => {
    const stretch = element('span', `stretch mark-${mark}`, {});
    stretch.style.width = `${100 * fraction}%`;
    return stretch;
  });
  return element('span', 'bar', { 'aria-hidden': 'true' }, ...stretches);
}
