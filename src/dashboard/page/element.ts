/** What an element can hold: text is always inserted as text, whatever it looks like. */
export type Content = string | Node | readonly (string | Node)[];

/** An element with these attributes and this content. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  content: Content = [],
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...(typeof content === 'string' || content instanceof Node ? [content] : content));
  return made;
}

/** The page's element with this id. @throws where there is none: the page's own fault. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** A moment as a time of the day, with its date for whoever asks. */
export function time(ms: number, text: string, title: string): HTMLTimeElement {
  return element('time', { datetime: new Date(ms).toISOString(), title }, text);
}
