// Sorting by column; without scripts the page stays as it is, sorted by state.
for (const th of document.querySelectorAll('#machines th')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = th.textContent;
  th.replaceChildren(button);
  button.addEventListener('click', () => {
    const at = th.cellIndex, up = th.getAttribute('aria-sort') !== 'ascending';
    for (const other of th.parentNode.children) other.removeAttribute('aria-sort');
    th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const body = document.querySelector('#machines tbody');
    const key = row => row.cells[at].dataset.sort ?? row.cells[at].textContent;
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;
    body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b))));
  });
}
