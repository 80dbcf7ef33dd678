# `make` alone lists what there is. Needs Python 3.11 or newer, nothing else: everything is installed
# into .venv, at the first call that needs it.

# The Python that .venv is made with; the first of these that is new enough.
PYTHON ?= python3
PYTHONS = .venv/bin/python $(PYTHON) python3.13 python3.12 python3.11

define BOOTSTRAP
for python in $(PYTHONS); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	python=$(PYTHON); \
done; \
command -v "$$python" >/dev/null || { \
	echo "ERROR: Python 3.11 or newer is needed, and there is no $$python here." >&2; \
	echo "Install it, or say where it is: make PYTHON=/path/to/python3.12" >&2; \
	exit 1; \
}; \
"$$python" tools/bootstrap.py
endef

# Where this is set, every start of Airflow would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

RUN = .venv/bin/python
# What oxlint and oxfmt look at; both are single programs from PyPI, so no node is needed.
SCRIPTS = plugins/adobe_experience_platform/web/static/js
# The paths that `make test` is about; any of pytest's arguments will do. Without it all is tested.
TESTS ?=
# All is tested by four processes for two cores, as most tests wait now and then: one begins with the live tests, one
# with a cluster, two have all the others (tests/support/order.py). Each says when it was done.
ALL = -n 4 --dist loadfile --no-loadscope-reorder
# For `make chaos`: the same seed draws the same kills.
SEED ?= 7
KILLS ?= 25
STRIKES ?= 72
RACES ?= 10
EXAMPLES ?= 20000
EXAMPLES_PER_CALL ?= 50
# For `make release`: where the project lives; the package names it.
URL ?=
# How many DAG runs `make distributed` starts at once.
DELIVERIES ?= 50
# What `make bench` measures, and how often it repeats the deliveries.
REPEATS ?= 2
CASES ?=
SIZES ?=
# What the case `watching` watches: flow runs x tasks x triggerers.
WATCHED ?=

.DEFAULT_GOAL := help
.PHONY: help demo up env test coverage chaos distributed mutants screenshots growth bench profile contract-aepp contract-schemathesis newest airflows docs release audit lint schema format requirements clean venv env-dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## Deliver audiences of a simulated AEP with a real Airflow, end to end
	@$(RUN) -m tools.demo

up: venv ## Start the same to explore: Airflow's UI and the simulated AEP, until Ctrl-C
	@$(RUN) -m tools.up

env: ## Write .env for docker-compose.yaml with strong secrets; close it to other users, refuse weak ones
	@$(PYTHON) tools/compose_env.py

# Unless TESTS leaves out the tests that need one, make sure that there is a browser.
test: env-dev ## Run the tests (some of them: make test TESTS="tests/unit -k plan")
	@$(if $(and $(TESTS),$(if $(findstring browser,$(TESTS)),,no)),,$(RUN) -m lab.browser)
	@$(RUN) -m pytest $(or $(TESTS),$(ALL))

# Of plugins/ and include/; what live Airflows run is not seen. Python 3.11 takes almost twice as long so.
coverage: env-dev ## Say which lines no test reaches, and fail if they are too many
	@$(RUN) -m pytest -n 2 -m "not live" --cov --cov-report=term --cov-fail-under=90

chaos: env-dev ## Kill, clear, mark and freeze parts of a real Airflow, and count what arrives (SEED=7 KILLS=25 STRIKES=72 RACES=10 EXAMPLES=20000 POSTGRES=1)
	@$(RUN) -m lab.chaos --seed $(SEED) --kills $(KILLS) --strikes $(STRIKES) $(if $(POSTGRES),--postgres) --races $(RACES) --examples $(EXAMPLES)
	@AEP_ALL_BUTTONS=1 $(RUN) -m pytest -q -n 0 tests/live/test_buttons.py

screenshots: env-dev ## Take the screenshots in docs/tour.md; measure how soon lists of 10,000 runs and 25,000 audiences are painted
	@$(RUN) -m lab.screenshots

growth: venv ## Count what a delivery leaves in Airflow's database, and what Airflow's own cleaning removes
	@$(RUN) -m lab.growth

distributed: venv ## Run docker-compose.yaml as processes, kill parts of it, count what arrives (DELIVERIES=50)
	@$(RUN) -m lab.distributed --deliveries $(DELIVERIES)

bench: env-dev ## Measure what a delivery costs, against stock parts and bare Airflow (REPEATS=2 CASES="latency parsing delivery largest watching" SIZES="1 20 80 400" WATCHED=100000x20x2)
	@$(RUN) -m lab.bench --repeats $(REPEATS) $(if $(CASES),--cases "$(CASES)") $(if $(SIZES),--sizes "$(SIZES)") $(if $(WATCHED),--watched "$(WATCHED)")

profile: env-dev ## Plot where a delivery and a poll spend their time (py-spy; benchmarks/profiles/)
	@$(RUN) -m lab.bench.profiled

mutants: env-dev ## Break the package on purpose, one place at a time, and see that a test notices (ONLY=words)
	@$(RUN) -m lab.mutants --only "$(ONLY)"

contract-aepp: venv ## Let another AEP client (aepp, in .venv-aepp) read from the simulated AEP
	@$(RUN) -m lab.contract_aepp

contract-schemathesis: venv ## Let schemathesis (in .venv-schemathesis) judge the simulated AEP by Adobe's files (EXAMPLES_PER_CALL=50)
	@$(RUN) -m lab.contract_schemathesis --examples $(EXAMPLES_PER_CALL)

newest: env-dev ## Run the unit tests with the newest versions that the declared ranges allow (in .venv-newest; TESTS=…)
	@$(RUN) -m lab.newest $(TESTS)

airflows: env-dev ## Test with every Airflow that is supported (in .venv-airflow-…; VERSIONS="3.3.0")
	@$(RUN) -m lab.airflows $(VERSIONS)

docs: venv ## Build the documents as a site in build/site, strictly; or serve them (SERVE=1)
	@$(RUN) -m tools.docs $(if $(SERVE),--serve)

release: venv ## Build sdist, wheel and SBOM in dist/, check them, deliver with the wheel beside a plain Airflow (URL=https://… PUBLIC=1)
	@$(RUN) -m lab.release $(if $(URL),--url "$(URL)") $(if $(PUBLIC),--public)

audit: venv ## Check the pinned packages for known vulnerabilities (asks osv.dev)
	@$(RUN) -m tools.audit

lint: env-dev ## Check style, types, imports, declared dependencies, workflows and campaign files
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports --no-cache --no-logo
	@$(RUN) -m deptry plugins
	@$(RUN) -m deptry --config .ci/deptry.toml include dags examples tools
	@$(RUN) -m deptry --config .ci/deptry.toml --requirements-files requirements.in,requirements-dev.in --ignore DEP002 lab tests
	@.venv/bin/oxlint --deny-warnings $(SCRIPTS)
	@.venv/bin/oxfmt --check $(SCRIPTS)
	@.venv/bin/zizmor --offline --quiet --pedantic .github/workflows
	@PYTHONPATH=plugins $(RUN) -m tools.campaigns check

schema: venv ## Write the JSON Schema of campaign files, for editors
	@PYTHONPATH=plugins $(RUN) -m tools.campaigns schema

format: env-dev ## Fix style problems that can be fixed automatically
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .
	@.venv/bin/oxfmt $(SCRIPTS)

requirements: ## Pin requirements*.in in requirements*.txt, with hashes (newest versions: UPGRADE=1)
	@$(BOOTSTRAP) --resolve $(if $(UPGRADE),--upgrade)

clean: ## Remove the environment, the state of `make up` and all caches
	@rm -rf .venv .venv-newest .venv-airflow-* .venv-aepp .venv-audit .venv-distributed .venv-docs .venv-release .venv-schemathesis .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name '*.egg-info' -type d -prune -exec rm -rf {} +

venv:
	@$(BOOTSTRAP)

env-dev:
	@$(BOOTSTRAP) --dev
