@echo off
rem appetizer for Windows: the same example; prints its version, and updates through `gupper update`.
set "version=@VERSION@"
if "%~1"=="--version" goto version
if "%~1"=="--self-test" exit /b 0
if not "%APPETIZER_REPO%"=="" call gupper update "%APPETIZER_REPO%" --name appetizer --to "%~dp0." --check "appetizer.cmd --self-test"
echo doing useful work now (version %version%)
exit /b 0
:version
echo appetizer version %version% @OS@/@ARCH@
