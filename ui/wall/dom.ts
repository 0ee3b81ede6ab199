/** The only way this page makes elements: text goes in as text, never as markup. */

/** An element with a class and text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  if (text !== '') made.textContent = text
  return made
}

/** Writes only what changed: a wall sets the same texts every second for months. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function setClass(node: Element, className: string): void {
  if (node.getAttribute('class') !== className) node.setAttribute('class', className)
}
