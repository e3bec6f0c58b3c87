-- By itself, as the file before reads what goes here.
DROP TABLE IF EXISTS vedette.edge_halves;
