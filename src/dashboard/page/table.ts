import { element, type Content } from './element.ts';

export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => Content;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
  /** Not to be squeezed by what stands beside it. */
  readonly isWide?: boolean;
}

export interface TableOptions<Row> {
  /** What the table holds, for whoever cannot see the heading above it. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  /** What it says when it has no rows. */
  readonly none: string;
  /** Rows become cards where the page is narrow. */
  readonly cards?: boolean;
  /** How many rows are shown until somebody asks for all; all where absent. */
  readonly shownRows?: number;
}

/**
 * A table that can be filled again and again. Its roles are written out: where CSS lays a table out as cards, browsers
 * no longer tell a screen reader that it is one.
 */
export class Table<Row> {
  readonly element: HTMLElement;
  readonly #options: TableOptions<Row>;
  readonly #body = element('tbody', { role: 'rowgroup' });
  readonly #more = element('button', { type: 'button', class: 'more', 'aria-expanded': 'false' });
  #rows: readonly Row[] = [];
  #showsAll = false;

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    const headings = options.columns.map((column) =>
      element('th', { role: 'columnheader', scope: 'col', ...classOf(column) }, column.heading),
    );
    const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, headings));
    const table = element('table', { role: 'table' }, [
      element('caption', {}, options.caption),
      head,
      this.#body,
    ]);
    // What can be scrolled must be reachable by keyboard, and then wants a name.
    const scrolled = element(
      'div',
      {
        class: options.cards === true ? 'table cards' : 'table',
        tabindex: '0',
        role: 'group',
        'aria-label': options.caption,
      },
      table,
    );
    this.element = element('div', {}, [scrolled, this.#more]);
    this.#more.addEventListener('click', () => {
      this.#showsAll = !this.#showsAll;
      this.fill(this.#rows);
    });
  }

  fill(rows: readonly Row[]): void {
    this.#rows = rows;
    const { shownRows = rows.length } = this.#options;
    const shown = this.#showsAll ? rows : rows.slice(0, shownRows);
    this.#body.replaceChildren(
      ...(shown.length === 0 ? [this.#emptyRow()] : shown.map((row) => this.#row(row))),
    );
    this.#more.hidden = rows.length <= shownRows;
    this.#more.textContent = this.#showsAll ? `Show the newest ${shownRows}` : `Show all ${rows.length}`;
    this.#more.setAttribute('aria-expanded', String(this.#showsAll));
  }

  #row(row: Row): HTMLTableRowElement {
    const cells = this.#options.columns.map((column) =>
      element(
        'td',
        { role: 'cell', 'data-column': column.heading, ...classOf(column) },
        element('span', {}, column.cell(row)),
      ),
    );
    return element('tr', { role: 'row' }, cells);
  }

  #emptyRow(): HTMLTableRowElement {
    const attributes = { role: 'cell', colspan: String(this.#options.columns.length), class: 'none' };
    return element('tr', { role: 'row' }, element('td', attributes, this.#options.none));
  }
}

function classOf({ isNumber, isWide }: Pick<Column<never>, 'isNumber' | 'isWide'>): Record<string, string> {
  if (isNumber === true) return { class: 'number' };
  return isWide === true ? { class: 'wide' } : {};
}
