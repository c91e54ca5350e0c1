"""Commits of the hub's data sets at which rows are read unless the user asks for another.

Each hash is quoted, with the data set's name, by several public projects that load the same files at it (the
one of google/xquad by mteb's XQuADRetrieval); the hub itself was out of reach when they were gathered. No such
hash was found for google/xtreme, which is read at "main": the commit that was read stands in every phase's record.
"""

GLUE = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
SNLI = "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"
ANLI = "8e4813d81f46d313dac7892e1c28076917cfcdf9"
SQUAD_V1 = "7b6d24c440a36b6815f21b70d25016731768db1f"
SQUAD_V2 = "3ffb306f725f7d2ce8394bc1873b24868140c412"
XQUAD = "51adfef1c1287aab1d2d91b5bead9bcfb9c68583"
PAWSX = "4cd8187c404bda33cb1f62b49b001115862acf37"
HELLASWAG = "218ec52e09a7e7462a5400043bb9a69a41d06b76"
COMMONSENSEQA = "94630fe30dad47192a8546eb75f094926d47e155"
COSMOSQA_PARQUET = "ed50fe83db62b355759053b1cd5eef344ee371e0"
"""The hub's own conversion (its branch refs/convert/parquet): the data set itself holds a loading script."""
WIKIPEDIA = "b04c8d1ceb2f5cd4588862100d08de323dccfbaa"
