"""The recipe that makes Consort's bundled members from named packages. See README.md."""
