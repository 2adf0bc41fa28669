# Each target is one plain line: copy it into a shell where there is no make.
.PHONY: setup demo test test-all fuzz fix docs bench house build
setup:
	sh scripts/setup.sh report,video,app
demo:
	sh scripts/setup.sh report,video,app && .venv/bin/blemish demo --out demo
test:
	sh scripts/setup.sh report,video,app,postgres,test && sh scripts/check.sh
test-all:
	sh scripts/setup.sh report,video,app,postgres,test && .venv/bin/python -m pytest -m "slow or not slow"
fuzz:
	sh scripts/fuzz.sh $(or $(N),1000) $(or $(SEED),0)
fix:
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .
docs:
	.venv/bin/python docs/generate.py
bench:
	sh scripts/setup.sh report,video,test && .venv/bin/python benchmarks/speed.py
house:
	.venv/bin/python scripts/house.py
build:
	.venv/bin/python scripts/wheel_check.py
