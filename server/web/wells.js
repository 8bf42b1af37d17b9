// The wells of a plate as a grid: where each lies, how large it is drawn, what its picture is asked for with. Knows nothing of elements.

/** Width of a cell in CSS pixels by the number of columns. */
const CELLS = [[8, 72], [12, 56], [24, 40], [Infinity, 28]];

/** What to ask for the picture of a field of a well; relative, as the page may lie under any path. */
export function pictureOf(plate, { row, column }, field) {
  return `plate/thumb?${new URLSearchParams({ plate: plate.id, row, column, field })}`;
}

/** The field to show when another well is opened: the same, as far as the plate has so many. */
export function fieldOf(plate, field) {
  return Math.min(field, Math.max((plate.field_count ?? field + 1) - 1, 0));
}

/** The grid, row by row: the well of each place, or null where the plate has none. */
export function gridOf(plate) {
  const grid = plate.rows.map(() => plate.columns.map(() => null));
  for (const well of plate.wells) if (grid[well.row]?.[well.column] === null) grid[well.row][well.column] = well;
  return grid;
}

/** Width of a cell in CSS pixels. */
export function cellOf(plate) {
  return CELLS.find(([most]) => plate.columns.length <= most)[1];
}
