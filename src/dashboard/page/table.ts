import { element, type Content } from './element.ts';

export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => Content;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
}

export interface TableOptions<Row> {
  /** What the table holds, for whoever cannot see the heading above it. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  /** What it says when it has no rows. */
  readonly none: string;
  /** Rows become cards where the page is narrow. */
  readonly cards?: boolean;
}

/**
 * A table that can be filled again and again. Its roles are written out: where CSS lays a table out as cards, browsers
 * no longer tell a screen reader that it is one.
 */
export class Table<Row> {
  readonly element: HTMLElement;
  readonly #options: TableOptions<Row>;
  readonly #body = element('tbody', { role: 'rowgroup' });

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    const headings = options.columns.map(({ heading, isNumber }) =>
      element('th', { role: 'columnheader', scope: 'col', ...numberClass(isNumber) }, heading),
    );
    const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, headings));
    const table = element('table', { role: 'table' }, [
      element('caption', {}, options.caption),
      head,
      this.#body,
    ]);
    // What can be scrolled must be reachable by keyboard, and then wants a name.
    this.element = element(
      'div',
      {
        class: options.cards === true ? 'table cards' : 'table',
        tabindex: '0',
        role: 'group',
        'aria-label': options.caption,
      },
      table,
    );
  }

  fill(rows: readonly Row[]): void {
    this.#body.replaceChildren(
      ...(rows.length === 0 ? [this.#emptyRow()] : rows.map((row) => this.#row(row))),
    );
  }

  #row(row: Row): HTMLTableRowElement {
    const cells = this.#options.columns.map(({ heading, cell, isNumber }) =>
      element(
        'td',
        { role: 'cell', 'data-column': heading, ...numberClass(isNumber) },
        element('span', {}, cell(row)),
      ),
    );
    return element('tr', { role: 'row' }, cells);
  }

  #emptyRow(): HTMLTableRowElement {
    const attributes = { role: 'cell', colspan: String(this.#options.columns.length), class: 'none' };
    return element('tr', { role: 'row' }, element('td', attributes, this.#options.none));
  }
}

function numberClass(isNumber: boolean | undefined): Record<string, string> {
  return isNumber === true ? { class: 'number' } : {};
}
